"""One deployment: what the control plane sends of it, and what is shown."""
