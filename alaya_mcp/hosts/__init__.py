"""MCP hosts and their configuration files: where they are, what is in them, how they are changed."""
