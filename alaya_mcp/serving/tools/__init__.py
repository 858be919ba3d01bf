"""The MCP tools, one module each: arguments in, a result with its text out."""
