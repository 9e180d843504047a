"""From a topology to its running system."""

from __future__ import annotations

import os
import platform
import pwd
import shlex
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from civitas.cli.failures import Refused
from civitas.control import ControlClient, NotRunning, state_folder
from civitas.errors import CivitasError, TopologyError
from civitas.launch import holder_of
from civitas.node.inspecting import Seen
from civitas.plugins import PluginManager
from civitas.topology import Links, load_part
from civitas.topology.holds import lock_beside

__all__ = ["Remote", "System", "acting_user", "running_system"]


class System(Protocol):
    """A running system, wherever it runs."""

    async def request(
        self, operation: str, *, within: float | None = None, **arguments: Any
    ) -> Any:
        """Let it do something; see `ControlClient.request`."""
        ...


@runtime_checkable
class Remote(System, Protocol):
    """A running system that is reached over its transport."""

    async def look(
        self, name: str | None, seconds: float | None, within: float, request: str = ""
    ) -> Seen | None:
        """Look at an agent while the event loop of the root is blocked; None where that cannot be seen."""
        ...


@asynccontextmanager
async def running_system(topology: Path) -> AsyncIterator[System]:
    """The running system of a topology: on this machine by its socket, otherwise by its transport.

    Of the file only the name is read where the system runs on this machine.

    Raises:
        Refused: It runs neither here nor, as far as its transport tells, elsewhere.
    """
    name = load_part(topology, "name").name
    async with AsyncExitStack() as opened:
        client = ControlClient(name, state_folder(name, topology))
        try:
            system: System = await opened.enter_async_context(client)
        except NotRunning as error:
            if error.pid is not None:
                raise
            try:
                system = await _elsewhere(topology, name, opened)
            except CivitasError:
                _refuse_if_run_otherwise(topology, name)
                raise
        yield system


async def _elsewhere(topology: Path, name: str, opened: AsyncExitStack) -> System:
    start = f"start it with `civitas run {shlex.quote(str(topology))}`"
    part = load_part(topology, "name", "transport", "runtime", "processes")
    if part.transport.type == "in_process":
        raise Refused(f"system {name!r} is not running here; {start}")
    links = Links(part, PluginManager())
    links.check()
    if not links.spans_machines:
        raise Refused(f"system {name!r} is not running here; {start}")
    # Imported here: it brings what a system on this machine does without.
    from civitas.control.remote import RemoteClient

    try:
        return await opened.enter_async_context(RemoteClient(name, links))
    except NotRunning:
        where = part.transport.type
        raise Refused(
            f"system {name!r} is not running here, and none answers over {where}; {start}"
        ) from None


def _refuse_if_run_otherwise(topology: Path, name: str) -> None:
    """Whoever is told to start a system that a service runs would start it twice."""
    try:
        state = load_part(topology, "state").state
    except TopologyError:
        return  # a variable of it, perhaps, that is set only where the system runs
    path = state.further.get("path") if state is not None and state.type == "sqlite" else None
    if not isinstance(path, str):
        return
    home = os.path.expanduser(path)  # noqa: PTH111  # Path's own raises where there is none
    found = holder_of(lock_beside((topology.parent / home).resolve(), name))
    if found is None:
        return
    process, user = found
    if not process:
        raise Refused(
            f"system {name!r} is not running here for you, but user {_called(user)!r} may run it; "
            "run this command as that user, with the XDG_STATE_HOME of that system"
        )
    whose = "" if user == os.getuid() else f" as user {_called(user)!r}"
    raise Refused(
        f"system {name!r} runs, but not where this command looks: as process {process}. Run this command{whose} with "
        "the XDG_STATE_HOME, and the path of the topology, that this process has"
    )


def _called(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def acting_user(command: str) -> str:
    """The user of this process, its machine and the command, such as `alice@desk (civitas restart)`.

    The user is the operating system's, not what the environment says.
    """
    uid = os.getuid()
    user = f"uid {uid}"
    with suppress(KeyError):  # a container may have no entry for it
        user = pwd.getpwuid(uid).pw_name
    return f"{user}@{platform.node()} (civitas {command})"
