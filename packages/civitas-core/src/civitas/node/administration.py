"""Child administration that an agent asks for: it must not wait for its own end."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol

from civitas.errors import ConfigurationError, SupervisionError
from civitas.process import Caller
from civitas.process.awaiting import holding, waiting_agent
from civitas.supervision import Child, ChildSpec, Parent, Supervisor

__all__ = [
    "administering",
    "agents_below",
    "ended",
    "holding_if_waiting",
    "refuse_to_wait",
]


class Owners(Protocol):
    """Knows who supervises whom."""

    def owner(self, name: str) -> Parent | None:
        """The supervisor of an agent or of a supervisor; None for the root and for a name that is not there."""


def holding_if_waiting(agent: Caller, names: Iterable[str]) -> AbstractContextManager[None]:
    """Where an agent's code awaits what runs here: let it be known that it waits for these."""
    return holding(agent, names) if waiting_agent() is agent else nullcontext()


@contextmanager
def administering(
    owners: Owners, parent: Parent, call: str, *, ends: str = "", waits_for: Iterable[str] = ()
) -> Iterator[None]:
    """Around a call of child administration, which an agent may make.

    Args:
        owners: Know the tree.
        parent: The supervisor that is asked.
        call: What is called, for an error.
        ends: The child that it ends.
        waits_for: The agents that it starts or ends. Where one of them asks the agent that calls, that is a circle.

    Raises:
        ConfigurationError: The agent would wait for its own end.
        SupervisionError: The supervisor waits for the end of that agent (`restarting`).
    """
    agent = waiting_agent()
    if agent is None:
        yield
        return
    above = [agent.name, *_above(owners, agent.name)]
    if ends in above:
        raise ConfigurationError(
            f"{call} ends {agent.name!r}, which waits for it. Let a task do it, "
            "asyncio.create_task(...), and go on; or end it with `await self.stop()` or an error"
        )
    if agent.shuts_down and parent.name in above:
        raise SupervisionError(
            "restarting",
            f"{call}: supervisor {parent.name!r} waits for the end of {agent.name!r}, which calls it; "
            "let a task do it, asyncio.create_task(...)",
        )
    with holding(agent, waits_for):
        yield


def refuse_to_wait(call: str, until: str) -> None:
    """Raise `ConfigurationError` where an agent's code would wait for the end of everything."""
    agent = waiting_agent()
    if agent is not None:
        raise ConfigurationError(
            f"{call} waits until {until}, and {agent.name!r} waits for it. "
            "Let a task do it, asyncio.create_task(...), and return"
        )


def agents_below(child: Child | ChildSpec) -> list[str]:
    """The names of the agents that a child stands for; none for anything else."""
    if isinstance(child, Supervisor):
        return [each.name for each in child.walk()]
    found = [child.name] if hasattr(child, "name") else []
    for each in getattr(child, "children", ()):
        found += agents_below(each)
    return found


def _above(owners: Owners, name: str) -> Iterator[str]:
    parent = owners.owner(name)
    while parent is not None:
        yield parent.name
        parent = parent.parent


async def ended(ending: Coroutine[Any, Any, None]) -> bool:
    """Wait for the end of a child; False if it had ended before."""
    try:
        await ending
    except SupervisionError:
        return False
    return True
