"""The Python client: typed, resuming, retrying. The one part of the contract that opens sockets."""

from protocol.client.client import Client, Received
from protocol.client.rest import log_in, log_out, refresh, register
from protocol.client.session import Session

__all__ = ["Client", "Received", "Session", "log_in", "log_out", "refresh", "register"]
