"""What may stand under `transport: {type: streams}`, and the transports that are made of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from civitas.transport import Access, CarrierEntry
from civitas_streams.transport import HOST, StreamTransport

__all__ = ["StreamCarrier"]


class StreamCarrier:
    """Carries over TCP on this machine; what travels is not encrypted, so no other machine can come in."""

    keys: ClassVar = {
        "port": "Where processes that are started elsewhere on this machine find the root."
    }

    def problems(self, entry: CarrierEntry) -> Iterator[tuple[str, str]]:
        """What is wrong with the port."""
        port = entry.options.get("port")
        if port is None and entry.awaited:
            yield "port", "a process with 'start: false' needs a port at which it finds the root"
        elif port is not None and (type(port) is not int or not 0 < port < 65536):
            yield "port", f"'port' must be a whole number from 1 to 65535; got {port!r}"

    def access(self, entry: CarrierEntry) -> Access | None:
        """This carrier has no secret; the runtime makes a token, which keeps others of this machine out."""
        return None

    def for_root(self, entry: CarrierEntry, access: Access) -> StreamTransport:
        """The transport of the root."""
        return StreamTransport(port=entry.options.get("port", 0), node_timeout=entry.node_timeout)

    def meeting_place(self, entry: CarrierEntry) -> str:
        """Where a process that is started elsewhere finds the root."""
        return f"tcp://{HOST}:{entry.options['port']}"

    def for_member(
        self, entry: CarrierEntry, access: Access, root: str, folder: Path | None
    ) -> StreamTransport:
        """The transport of another process, at any port that is free."""
        return StreamTransport(node_timeout=entry.node_timeout)
