"""The sandbox, asked over real sockets."""
