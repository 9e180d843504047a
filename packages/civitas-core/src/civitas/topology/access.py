"""Who may join a system: the token of all its processes, and the keys with which they encrypt over TCP."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from civitas.errors import ConfigurationError
from civitas.topology.model import Topology
from civitas.topology.place import open_state_folder
from civitas.topology.places import given_address, is_awaited, system_folder
from civitas.topology.problems import Problem

if TYPE_CHECKING:
    from civitas.transport.keys import Keys

__all__ = ["NO_KEYS", "Access", "access_of", "wrong_keys"]

logger = logging.getLogger("civitas")

NO_KEYS = "none"
"""What stands at `keys` to do without them."""

_FILE = "keys"
"""In the state folder, for processes that are started elsewhere on this machine."""


@dataclass(frozen=True, slots=True)
class Access:
    """What a process needs to join.

    Attributes:
        token: Of the system; empty where an older root told none.
        keys: For CURVE; None where nothing is encrypted.
    """

    token: str = field(default="", repr=False)
    keys: Keys | None = None

    def plain(self) -> dict[str, Any]:
        """As it goes through the pipe to a process that the root starts."""
        keys = None if self.keys is None else [self.keys.public, self.keys.secret]
        return {"token": self.token, "keys": keys}

    @classmethod
    def told(cls, plain: Mapping[str, Any] | None) -> Self:
        """What `plain` made; None of a root of an earlier version."""
        from civitas.transport.keys import Keys

        if plain is None:
            return cls()
        return cls(plain["token"], None if plain["keys"] is None else Keys(*plain["keys"]))


def wrong_keys(topology: Topology) -> list[Problem]:
    """What is wrong with the keys that a topology names; none that are not there, as other machines may have them."""
    from civitas.transport.keys import Keys

    file = _keys_file(topology)
    if file is not None and file.exists():
        try:
            Keys.load(file)
        except ConfigurationError as error:
            return [topology.source.problem(("transport", "keys"), str(error))]
    return []


def _keys_file(topology: Topology) -> Path | None:
    given = topology.transport.further.get("keys")
    if not isinstance(given, str) or given == NO_KEYS:
        return None
    file, folder = Path(given).expanduser(), topology.source.folder
    return file if folder is None else folder / file


def access_of(topology: Topology) -> Access:
    """The access to a system, for its root and for processes that are started elsewhere.

    With `keys: FILE` all of it comes from there. Else the root makes it: anew each time, or once, in the state folder,
    where it waits for processes that are started elsewhere. Those are of this machine then.

    Raises:
        ConfigurationError: The keys cannot be read or made.
    """
    # Imported here: a system of one OS process does without.
    from civitas.transport.keys import Keys

    file = _keys_file(topology)
    if file is not None:
        keys = Keys.load(file)
        return Access(keys.token, keys)
    given = topology.transport.further.get("keys")
    over_tcp = (given_address(topology) or "").startswith("tcp:")
    if over_tcp and given == NO_KEYS:
        logger.warning(
            "transport: keys: none: what travels over %s is not encrypted, and whoever else of this machine takes that "
            "address while the system is down can give himself out for it; leave the line out",
            given_address(topology),
        )
    if is_awaited(topology):
        folder = system_folder(topology)
        open_state_folder(folder)
        keys = Keys.kept_in(folder / _FILE)
    elif over_tcp and given is None:
        keys = Keys.new()
    else:
        return Access(secrets.token_hex(32))
    return Access(keys.token, keys if over_tcp and given is None else None)
