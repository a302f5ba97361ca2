"""The transports: bytes in, messages out, and back. They know no command and no domain; they count
clients by address and by user, and send what the gateway has encoded for a room."""
