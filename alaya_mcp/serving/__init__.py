"""The MCP server: tools, resources, prompts, completions and stdio."""
