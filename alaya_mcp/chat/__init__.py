"""One chat, from arguments to result."""
