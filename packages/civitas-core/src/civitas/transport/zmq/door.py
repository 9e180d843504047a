"""The carrier `zmq`: what its entry may hold, who may come in, and where the nodes meet."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from civitas.errors import ConfigurationError
from civitas.transport.carrier import Access, CarrierEntry, Place
from civitas.transport.contract import Transport
from civitas.transport.zmq.address import NO_ADDRESS, is_address
from civitas.transport.zmq.extra import need_pyzmq
from civitas.transport.zmq.keys import Keys

__all__ = ["NO_KEYS", "ZmqCarrier", "private_sockets"]

logger = logging.getLogger("civitas")

NO_KEYS = "none"
"""The value of `keys` for doing without them."""

_KEPT = "keys"
"""In the place of the system: the keys of processes that are started elsewhere on this machine."""

_SOCKET = "root.sock"
"""There as well: where they find the root."""

_KEYS = {
    "address": "Where the root is reached (tcp://HOST:PORT or ipc:///PATH); without it, sockets of this user.",
    "keys": "The file that civitas keys new made, or none.",
}


class ZmqCarrier:
    """Carries frames over ZMQ.

    Args:
        keys: The keys that its entry may hold.
    """

    def __init__(self, keys: Mapping[str, str] = _KEYS) -> None:
        self.keys = keys

    def problems(self, entry: CarrierEntry) -> Iterator[tuple[str, str]]:
        """What is wrong; not that a file of keys is not there, as other machines may have it."""
        for key, value in entry.options.items():
            if key not in self.keys:
                continue  # that is said already
            if not isinstance(value, str):
                yield key, f"{key!r} must be text; got {value!r}"
            elif key == "address" and value.endswith(":*") and entry.awaited:
                yield (
                    key,
                    "a process with 'start: false' finds the root by a port that is known; give one instead of *",
                )
        address = _address(entry)
        if "address" in self.keys and address is not None and not is_address(address):
            yield "address", f"{entry.options['address']!r} {NO_ADDRESS}"
        file = _keys_file(entry)
        if file is not None and file.exists():
            try:
                Keys.load(file)
            except ConfigurationError as error:
                yield "keys", str(error)

    def access(self, entry: CarrierEntry) -> Access | None:
        """With `keys: FILE` all of it comes from there; over TCP or with processes elsewhere, the root makes keys."""
        file = _keys_file(entry)
        if file is not None:
            return _access_by(Keys.load(file), entry)
        if _is_open(entry):
            logger.warning(
                "transport: keys: none: what travels over %s is not encrypted, and anybody on this machine who takes "
                "that address while the system is down can pose as the system; leave the line out",
                _address(entry),
            )
        if entry.awaited:
            return _access_by(Keys.kept_in(_place_of(entry).open() / _KEPT), entry)
        return _access_by(Keys.new(), entry) if _is_locked(entry) else None

    def for_root(self, entry: CarrierEntry, access: Access) -> Transport:
        """Reached at the address that is given, otherwise by a socket of this user's."""
        address = _address(entry)
        if address is None and entry.awaited:
            _place_of(entry).open()
            address = self.meeting_place(entry)
        return _transport(entry, address, access)

    def meeting_place(self, entry: CarrierEntry) -> str:
        """The address that is given, otherwise a socket in the place of the system."""
        return _address(entry) or f"ipc://{_place_of(entry).path / _SOCKET}"

    def spans_machines(self, entry: CarrierEntry) -> bool:
        """Where it has an address of TCP, and keys that others may have, too; see `SpansMachines`."""
        return (_address(entry) or "").startswith("tcp://") and _keys_file(entry) is not None

    def for_member(
        self, entry: CarrierEntry, access: Access, root: str, folder: Path | None
    ) -> Transport:
        """Reached the same way as the root: by a socket, or over TCP."""
        return _transport(entry, _own_endpoint(root), access, folder)


def private_sockets() -> ZmqCarrier:
    """The carrier of a topology that asks for none: sockets of this user, and nothing to say about them."""
    return ZmqCarrier({})


def _transport(
    entry: CarrierEntry, address: str | None, access: Access, folder: Path | None = None
) -> Transport:
    need_pyzmq()
    from civitas.transport.zmq.transport import ZmqTransport

    return ZmqTransport(
        address=address,
        keys=None if access.keys is None else Keys(*access.keys),
        shared=entry.options.get("keys") is not None,
        node_timeout=entry.node_timeout,
        folder=folder,
    )


def _access_by(keys: Keys, entry: CarrierEntry) -> Access:
    return Access(keys.token, [keys.public, keys.secret] if _is_locked(entry) else None)


def _address(entry: CarrierEntry) -> str | None:
    """The address of the root that is given; a relative path is one from the topology's folder."""
    address = entry.options.get("address")
    if not isinstance(address, str):
        return None
    if not address.startswith("ipc://") or entry.folder is None:
        return address
    return f"ipc://{entry.folder / Path(address.removeprefix('ipc://')).expanduser()}"


def _keys_file(entry: CarrierEntry) -> Path | None:
    given = entry.options.get("keys")
    if not isinstance(given, str) or given == NO_KEYS:
        return None
    file = Path(given).expanduser()
    return file if entry.folder is None else entry.folder / file


def _is_locked(entry: CarrierEntry) -> bool:
    """Whether what travels is encrypted: with keys that are given, and over TCP with those that the root makes."""
    return _keys_file(entry) is not None or (
        _is_over_tcp(entry) and entry.options.get("keys") is None
    )


def _is_open(entry: CarrierEntry) -> bool:
    return _is_over_tcp(entry) and entry.options.get("keys") == NO_KEYS


def _is_over_tcp(entry: CarrierEntry) -> bool:
    return (_address(entry) or "").startswith("tcp:")


def _place_of(entry: CarrierEntry) -> Place:
    if entry.place is None:
        raise ConfigurationError(
            "a process with 'start: false' needs a place to meet the root and a token, and this topology is not "
            "a file; write transport: {type: zmq, address: 'tcp://127.0.0.1:PORT', keys: FILE}, with a file that "
            "`civitas keys new` made"
        )
    return entry.place


def _own_endpoint(root: str) -> str | None:
    """Where to bind on this machine, so that a node at the address `root` reaches it.

    Returns:
        None for a socket of this user, where the root has one.

    Raises:
        ConfigurationError: There is no way from here to the root's machine.
    """
    endpoint = root.partition("#")[0]
    if endpoint.startswith("ipc:"):
        return None
    host, _, port = endpoint.removeprefix("tcp://").rpartition(":")
    return f"tcp://{_own_host(host.strip('[]'), port)}:*"


def _own_host(host: str, port: str) -> str:
    """The address of this machine on the way to `host`."""
    try:
        kind, _, _, _, there = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)[0][:5]
        with socket.socket(kind, socket.SOCK_DGRAM) as way:
            way.connect(there)  # of UDP: nothing is sent, a route is looked up
            own = str(way.getsockname()[0])
    except OSError as error:
        raise ConfigurationError(
            f"there is no route to the root at tcp://{host}:{port}: {error.strerror}"
        ) from error
    return f"[{own}]" if ":" in own else own
