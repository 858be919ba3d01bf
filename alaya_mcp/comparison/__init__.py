"""The answers of several models to the same prompts, side by side."""
