"""What hosts offer beside tools: resources to attach, prompts to choose, and completions while one types."""
