"""How an HTTP edge is opened, and who may come in."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field

from civitas.errors import ConfigurationError

__all__ = ["HttpOptions", "is_loopback"]

_MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """How an HTTP edge is opened.

    Attributes:
        host: Address that it listens at.
        port: Its port; 0 picks a free one.
        token: What a caller must show as `Authorization: Bearer TOKEN`; None lets everybody on this machine in.
        max_body: Bytes of a request's body.
        patience: Seconds that a caller has to send its request, and to take each part of the answer.

    Raises:
        ConfigurationError: `host` is not loopback and there is no token, or a number does not fit.
    """

    host: str = "127.0.0.1"
    port: int = 8700
    token: str | None = field(default=None, repr=False)
    max_body: int = 4 * _MIB
    patience: float = 30.0

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigurationError(
                f"edge.http: {self.port} cannot be a port; take one from 1 to 65535"
            )
        if self.max_body < 1 or self.patience <= 0:
            raise ConfigurationError("edge.http: max_body and patience must be more than 0")
        if self.token == "":
            raise ConfigurationError(
                "edge.http: the token is empty; is the variable that it comes from set?"
            )
        if self.token is None and not is_loopback(self.host):
            raise ConfigurationError(
                f"edge.http: other machines can reach {self.host}, so a token is needed: "
                "token: ${EDGE_TOKEN}. Or listen at 127.0.0.1"
            )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
