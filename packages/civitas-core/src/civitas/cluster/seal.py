"""`Seal`: how nodes show each other that they belong to one system, before either believes the other."""

from __future__ import annotations

import hmac
from typing import Any

from civitas.cluster.frames import Kind, pack, packed

__all__ = ["Seal"]


class Seal:
    """Closes the frames by which nodes meet with a token that all of the system have and that never travels.

    Whoever bound the root's port while it was down learns nothing from such a frame that lets him in: it names its
    sender, where that is reached and, but for the first one, whom it is for.

    Args:
        token: Of the system; empty if an older root told none, and then nothing fits.
    """

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def __bool__(self) -> bool:
        return bool(self._token)

    def of(self, kind: Kind, boot: str, to: str, *fields: Any) -> bytes:
        """What stands as the last field of a frame.

        Args:
            kind: Of the frame.
            boot: Of the node that sends it.
            to: The boot id of the node that it is for; empty if that is not known yet.
            *fields: Everything else in the frame.
        """
        return hmac.digest(self._token, pack(kind, boot, to, *fields), "sha256")

    def over(self, what: str, *parts: Any) -> bytes:
        """What closes something that is not a frame.

        Args:
            what: Says what it is.
            *parts: All that is in it.
        """
        return hmac.digest(self._token, packed((what, *parts)), "sha256")

    def fits(self, kind: Kind, boot: str, to: str, *fields: Any) -> bool:
        """Whether the last of the fields is the seal of a frame with the others."""
        if not self._token or not fields or not isinstance(fields[-1], bytes):
            return False
        return hmac.compare_digest(fields[-1], self.of(kind, boot, to, *fields[:-1]))
