"""Replies in a Valkey or Redis that several servers share: any of them reads on what another one writes."""
