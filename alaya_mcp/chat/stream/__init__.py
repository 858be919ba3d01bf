"""Decode an engine's answer: from bytes to a reply."""
