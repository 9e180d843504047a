"""From what a topology says of its transport to the carrier that makes it."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import msgpack

from civitas.cluster.durable.broker import Broker, Wanted
from civitas.cluster.next_root_client import NextRootClient
from civitas.errors import CivitasError, ConfigurationError
from civitas.hidden import hides
from civitas.message import Serializer
from civitas.plugins import PluginManager
from civitas.plugins.check import described
from civitas.topology.grammar import Topology, TransportEntry
from civitas.topology.problems import Problem, topology_error, unknown_word
from civitas.topology.state_folder import kept_token, place_of
from civitas.transport import (
    Access,
    Carrier,
    CarrierEntry,
    Elects,
    SpansMachines,
    Transport,
    check_transport,
    unknown_transport,
)
from civitas.transport.carrier import shortfall
from civitas.transport.dead_letters import DeadLetterBox, KeepsDeadLetters
from civitas.transport.mailboxes import Keeping

__all__ = ["SERIALIZER", "Links", "carried_by", "serializer_of"]

SERIALIZER = "CIVITAS_SERIALIZER"
"""The environment variable that chooses the format of messages between OS processes, whatever a topology says."""

_WHERE = ("transport", "type")
_NAMES = {Access: "an Access", Carrier: "a Carrier", Transport: "a Transport", str: "text"}


def serializer_of(topology: Topology) -> Serializer:
    """The format in which this process sends messages to others; it reads every format.

    Raises:
        ConfigurationError: The environment names one that does not exist.
    """
    named = os.environ.get(SERIALIZER, "").strip().lower()
    if not named:
        return topology.serializer
    if named not in list(Serializer):
        raise ConfigurationError(
            f"{SERIALIZER} must be one of {', '.join(Serializer)}; got {named!r}"
        )
    return Serializer(named)


def carried_by(topology: Topology, name: str, plugins: PluginManager) -> Topology:
    """The same topology over the carrier `name`, which was given in Python; what the file says of another is dropped.

    Raises:
        ConfigurationError: There is no such carrier, or a process that is started elsewhere would use another.
    """
    check_transport(name, plugins.transports(), carries=True)
    if name == topology.transport.type:
        return topology
    if _is_awaited(topology):
        raise ConfigurationError(
            f"transport={name!r}: a process with 'start: false' reads only the topology, which says "
            f"{topology.transport.type!r}; write transport: {{type: {name}}} there"
        )
    return replace(topology, transport=TransportEntry(type=name, stated=frozenset({"type"})))


class Links:
    """The carrier that a topology names, and what it makes of its entry there.

    A carrier is anybody's code: whatever it raises that is not an error of Civitas, and whatever it returns that is not
    what it should, is a `TopologyError` that says so.

    Args:
        topology: Of the system.
        plugins: Know the carriers.

    Raises:
        TopologyError: There is none of that name.
    """

    def __init__(self, topology: Topology, plugins: PluginManager) -> None:
        self._source = topology.source
        self._type = topology.transport.type
        known = plugins.transports()
        if unknown := unknown_transport(self._type, known):
            raise self._error(unknown)
        with self._asking("its constructor"):
            self._carrier: Carrier = known[self._type]()
            self._expect(self._carrier, Carrier, "its constructor")
        self._entry = CarrierEntry(
            options=topology.transport.further,
            system=topology.name,
            node_timeout=topology.runtime.node_timeout,
            folder=topology.source.folder,
            place=place_of(topology),
            awaited=_is_awaited(topology),
        )

    def problems(self) -> list[Problem]:
        """What is wrong with the entry."""
        with self._asking("keys"):
            takes = ("type", *self._carrier.keys)
        where = f"transport {self._type!r}"
        unknown = [key for key in self._entry.options if key not in takes]
        found = [(key, unknown_word("key", key, takes, where)) for key in unknown]
        with self._asking("problems()"):
            found += [(str(key), str(text)) for key, text in self._carrier.problems(self._entry)]
        return [self._source.problem(("transport", key), text) for key, text in found]

    def check(self) -> None:
        """Raise `TopologyError` if anything is wrong with the entry."""
        if found := self.problems():
            raise topology_error(found, self._source.file)

    def access(self) -> Access:
        """The access to the system, for its root and for processes that are started elsewhere."""
        with self._asking("access()"):
            access = self._carrier.access(self._entry)
        if access is None:
            return Access(self._token())
        self._expect(access, Access, "access()")
        self._check(access)
        return access

    def known_access(self) -> Access:
        """The access to the system, for somebody who starts nothing.

        Raises:
            ConfigurationError: Only the root knows it.
        """
        with self._asking("access()"):
            access = self._carrier.access(self._entry)
        if access is None:
            raise ConfigurationError(
                f"system {self._entry.system!r} has a token that its own processes alone know, and takes no requests "
                "from others; write a 'secret' in 'transport', or leave 'jetstream: false' out"
            )
        self._expect(access, Access, "access()")
        return access

    @property
    def spans_machines(self) -> bool:
        """Whether the root is found from other machines."""
        if not isinstance(self._carrier, SpansMachines):
            return False
        with self._asking("spans_machines()"):
            return bool(self._carrier.spans_machines(self._entry))

    @property
    def elects(self) -> bool:
        """Whether several roots of this system may be started, of which one leads."""
        if not isinstance(self._carrier, Elects):
            return False
        with self._asking("elects()"):
            return bool(self._carrier.elects(self._entry))

    def for_root(self, access: Access) -> Transport:
        """The transport of the root node."""
        with self._asking("for_root()"):
            transport = self._carrier.for_root(self._entry, access)
        self._expect(transport, Transport, "for_root()")
        return transport

    def root_address(self) -> str:
        """Where a process that is started elsewhere finds the root."""
        with self._asking("meeting_place()"):
            address = self._carrier.meeting_place(self._entry)
        self._expect(address, str, "meeting_place()")
        return address

    def for_member(self, access: Access, root: str, folder: Path | None) -> Transport:
        """The transport of another node; see `Carrier.for_member`."""
        with self._asking("for_member()"):
            transport = self._carrier.for_member(self._entry, access, root, folder)
        self._expect(transport, Transport, "for_member()")
        return transport

    def next_root(self, access: Access) -> NextRootClient | None:
        """What asks the next root for the answers to what was asked at this one; None if there is only one."""
        if not self.elects:
            return None
        root = self.root_address()
        return NextRootClient(root, access.token, partial(self.for_member, access, root, None))

    def dead_letters(self) -> DeadLetterBox | None:
        """Where the broker keeps dead letters, not open; None if it keeps none."""
        if not isinstance(self._carrier, KeepsDeadLetters):
            return None
        with self._asking("dead_letters()"):
            return self._carrier.dead_letters(self._entry)

    def keeps(self) -> bool | None:
        """Whether the broker keeps messages: of all agents (True), of those that want it (None), or none."""
        return self._carrier.keeps(self._entry) if isinstance(self._carrier, Keeping) else False

    def broker(
        self, transport: Transport, wanted: Mapping[str, Wanted] | None = None
    ) -> Broker | None:
        """What a node with this transport needs to have its messages kept; None if nothing keeps them.

        Args:
            transport: Of the node.
            wanted: Of the root, the agents that want it; None for any other node.
        """
        carrier = self._carrier
        if not isinstance(carrier, Keeping) or (keeps := self.keeps()) is False:
            return None
        make = partial(carrier.mailboxes, self._entry, transport)
        if wanted is None:
            return Broker(make, bool(keeps))
        return Broker(make, bool(keeps), carrier.keeper(self._entry), wanted)

    def _check(self, access: Access) -> None:
        """It is handed to other processes. What it holds is secret, so an error does not show that."""
        token: Any = access.token
        if not isinstance(token, str) or not token:
            raise self._error(
                f"transport {self._type!r}: access() gave a token that is not text, or is empty"
            )
        try:
            msgpack.packb(asdict(access))
        except (TypeError, ValueError, OverflowError) as error:
            raise self._error(
                f"transport {self._type!r}: access() gave keys that are not plain data: {error}"
            ) from None

    def _token(self) -> str:
        if not self._entry.awaited:
            return secrets.token_hex(32)
        if self._entry.place is None:
            raise ConfigurationError(
                "a process with 'start: false' finds the token of its system in the state folder, and this topology "
                "is not a file; write it to one"
            )
        return kept_token(self._entry.place)

    def _error(self, text: str) -> Exception:
        return topology_error([self._source.problem(_WHERE, text)], self._source.file)

    @contextmanager
    def _asking(self, what: str) -> Iterator[None]:
        try:
            yield
        except CivitasError:
            raise
        except Exception as error:
            hint = f". {cure}" if (cure := hides(error)) else ""
            raise self._error(
                f"transport {self._type!r}: {what} raised {described(error)}{hint}"
            ) from error

    def _expect(self, found: Any, kind: type, what: str) -> None:
        if wrong := shortfall(found, kind, _NAMES[kind]):
            raise self._error(f"transport {self._type!r}: {what} {wrong}")


def _is_awaited(topology: Topology) -> bool:
    return any(not each.start for each in topology.processes.values())
