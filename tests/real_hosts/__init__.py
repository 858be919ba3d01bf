"""The real server in real command-line hosts, over a scripted model."""
