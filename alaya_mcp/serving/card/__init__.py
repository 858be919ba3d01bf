"""The card: a page that a host with MCP Apps shows beside a tool's result."""
