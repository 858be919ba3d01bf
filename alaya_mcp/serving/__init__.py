"""The MCP server: tools, resources, prompts, completions, and talking to the host."""
