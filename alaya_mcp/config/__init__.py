"""Settings from the environment, the configuration file and its profiles."""
