"""A chat in the terminal, for a person or at the end of a pipe."""
