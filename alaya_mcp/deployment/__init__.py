"""One deployment: the control plane's data, and the fields that are shown."""
