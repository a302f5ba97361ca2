"""The transports: bytes in, messages out, and back. They know no command and no user; what they
send for a room, the gateway has written."""
