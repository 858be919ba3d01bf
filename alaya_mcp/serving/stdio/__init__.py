"""Serving on stdin and stdout."""
