"""Reading one answer of an engine: from bytes to a reply."""
