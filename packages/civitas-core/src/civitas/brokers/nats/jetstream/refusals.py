"""What a NATS server answers instead of doing what it was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["NatsRefusal", "ServerAway"]

_STALE = (10071, 10164)
_ABSENT = (10037,)
_GONE = (10059, 10014)
_PASSING = (10008, 10158)
_NO_ROOM = (10077,)
_FULL = (10023, 10047, 10077, 10028, 10122)


class NatsRefusal(Exception):
    """The server answered with an error.

    Attributes:
        code: Its number, which says exactly what it is.
        text: Its words.
    """

    def __init__(self, error: Mapping[str, Any]) -> None:
        self.code = int(error.get("err_code") or error.get("code") or 0)
        self.text = str(error.get("description", ""))
        super().__init__(f"{self.text} [{self.code}]")

    @property
    def is_stale(self) -> bool:
        """Another value stands there than was expected."""
        return self.code in _STALE

    @property
    def is_absent(self) -> bool:
        """There is no such message."""
        return self.code in _ABSENT

    @property
    def is_gone(self) -> bool:
        """There is no such stream or consumer."""
        return self.code in _GONE

    @property
    def may_pass(self) -> bool:
        """The same again may be answered in a moment."""
        return self.code in _PASSING

    @property
    def is_no_room(self) -> bool:
        """The stream, or the subject, holds as many messages as it may."""
        return self.code in _NO_ROOM

    @property
    def is_full(self) -> bool:
        """Something is full: the stream, the account or the disk."""
        return self.code in _FULL


class ServerAway(Exception):
    """No server answered for as long as one is waited for."""
