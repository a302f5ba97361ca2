"""Settings of the gateway: connections, limits of messages and send buffers, timeouts."""

from dataclasses import dataclass

from server.runtime.settings import integer, number, setting, yes_or_no


@dataclass(frozen=True, kw_only=True)
class GatewaySettings:
    """Settings of the gateway."""

    address_limit_scale: float = setting(
        number(0.01, 10_000),
        1.0,
        "multiplies the message rates of an address; above 1 if many clients share one",
    )
    max_connections_per_address: int = setting(
        integer(1, 1_000_000),
        1000,
        "concurrent connections allowed to one address, and new ones allowed per 10 s",
    )
    max_connections_per_user: int = setting(
        integer(1, 1_000_000),
        100,
        "concurrent connections allowed to one user or service, and new ones allowed per 10 s",
    )
    max_unauthenticated_connections: int = setting(
        integer(1, 1_000_000),
        2000,
        "unauthenticated connections and incomplete requests; above it the server closes the oldest"
        " of the network with the most",
    )
    outbox_limit_bytes: int = setting(
        integer(65_536, 268_435_456), 1_048_576, "size of a client's send buffer", unit="bytes"
    )
    outbox_stall_s: float = setting(
        number(1, 600),
        10.0,
        "how long a client may read nothing from its send buffer before it is evicted",
        unit="seconds",
    )
    max_message_bytes: int = setting(
        integer(1024, 16_777_216),
        1_048_576,
        "size of the largest message of a client",
        unit="bytes",
    )
    backlog_limit_bytes: int = setting(
        integer(1_048_576, 2**40),
        67_108_864,
        "pending inbound bytes of all clients; above it the server pauses reading",
        unit="bytes",
    )
    ping_interval_ms: int = setting(
        integer(100, 300_000), 25_000, "interval between pings to a client", unit="milliseconds"
    )
    ping_timeout_ms: int = setting(
        integer(100, 300_000),
        20_000,
        "timeout for the answer to a ping",
        unit="milliseconds",
    )
    connect_timeout_ms: int = setting(
        integer(100, 300_000),
        10_000,
        "timeout for authenticating after connecting",
        unit="milliseconds",
    )
    receive_timeout_ms: int = setting(
        integer(100, 300_000),
        8_000,  # with the delay of the check, within the 10 s of the contract
        "timeout for receiving a complete request or message",
        unit="milliseconds",
    )
    allow_token_in_address: bool = setting(
        yes_or_no,
        False,
        "whether `/ws` accepts `?token=`; addresses end up in logs and histories",
    )
    command_timeout: float = setting(
        number(0.1, 3600), 30.0, "timeout for a command or query", unit="seconds"
    )

    @property
    def silence_s(self) -> float:
        """How long a client may be silent, in seconds."""
        return (self.ping_interval_ms + self.ping_timeout_ms) / 1000
