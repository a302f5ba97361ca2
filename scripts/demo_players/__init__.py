"""The demo: a server, and players who live on it through `protocol.client`, as anybody may."""
