"""The doctor: ordered checks from the configuration to the first token. It changes nothing and shows no secret."""
