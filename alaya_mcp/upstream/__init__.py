"""Requests to Alaya's control plane and data plane: authentication, deadlines, retries and errors."""
