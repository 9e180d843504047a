"""What a supervisor needs of a child and of the node, wherever the child runs."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from typing import Any, Protocol

from civitas.budgets import Budget
from civitas.events import EventType
from civitas.process import AgentProcess, ChildKind, ExitReason, RestartType, Status, Turns
from civitas.supervision.clock import Clock
from civitas.supervision.history import RestartHistory
from civitas.supervision.placed import Placed

__all__ = ["Child", "Host", "Parent"]


class Child(Protocol):
    """An agent or a supervisor, from its supervisor's side."""

    name: str
    kind: ChildKind
    status: Status
    restarts: int

    @property
    def restart(self) -> RestartType:
        """When it is started again."""

    async def start(self, on_exit: Callable[[ExitReason], None]) -> None:
        """Start it and wait until it is ready.

        Args:
            on_exit: Called once with the reason when it ends, unless `stop` ended it.

        Raises:
            StartFailed: It did not start; nothing of it runs.
        """

    async def stop(self, why: str = "") -> None:
        """End it, within its shutdown timeout; does nothing if it does not run.

        May be cancelled and called again.

        Args:
            why: Where nothing of it is started again: what is sent to each child of it is refused with that, from the
                child's end on. Empty where messages are to wait for a restart.
        """

    def refuse_asks(self, why: str) -> None:
        """Nothing of it will be started again, and it is about to be stopped: refuse the asks that wait in its mailbox.

        Until then it works on, and answers the last words of others.
        """

    @property
    def available(self) -> bool:
        """Whether it can be started now; its OS process may be down."""

    def when_available(self, callback: Callable[[], None]) -> None:
        """Call `callback` when it can be started, or its OS process has failed to come back."""

    def wait_for_restart(self) -> None:
        """It is down and will be started again: what is sent to it waits."""

    def close(self, status: Status, why: str) -> None:
        """It is down and stays down: what is sent to it is refused."""

    def discard(self) -> None:
        """Its spec is gone: forget its name and all names below it."""


class Parent(Child, Protocol):
    """A supervisor of any kind."""

    parent: Parent | None

    @property
    def budget(self) -> Budget | None:
        """What all below it may spend together."""

    @property
    def children(self) -> list[Child]:
        """The children there are now."""

    async def start_child(self, spec: Any) -> None:
        """Add a child and start it.

        Raises:
            SupervisionError: A child of that name is there, or there is no room.
            StartFailed: It did not start; it was not added.
        """

    async def terminate_child(self, name: str) -> None:
        """Stop a child.

        Raises:
            SupervisionError: There is no child of that name.
        """

    async def recycle(self, name: str) -> None:
        """Stop a child and start it again, for an operator: it counts as no crash.

        Raises:
            SupervisionError: There is no child of that name.
        """


class Host(Protocol):
    """The node, as its supervisors see it."""

    clock: Clock
    turns: Turns
    history: RestartHistory
    variables: Context
    """Those outside of any agent, to copy; what an agent begins has that agent among its own."""

    def place(self, agent: AgentProcess | Placed, owner: Parent, name: str) -> Child:
        """Make room for an agent: from now on its name is known and messages for it wait.

        `name` is the agent's own, or that of the conversation it is the template for.

        Raises:
            ConfigurationError: The name is taken.
        """

    def system_ends(self, why: str) -> None:
        """The root supervisor ends by itself: nobody outside gets an answer any more."""

    def join(self, supervisor: Parent) -> None:
        """Make a supervisor known by its name.

        Raises:
            ConfigurationError: The name is taken.
        """

    def leave(self, supervisor: Parent) -> None:
        """Forget a supervisor whose spec is gone."""

    def event(
        self, type: EventType, name: str, reason: str, message: str, cause: ExitReason | None = None
    ) -> None:
        """Report something that happened, `cause` being the crash behind it."""
