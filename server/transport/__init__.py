"""The transports: bytes in, messages out, and back. They know no command, no room, no user."""
