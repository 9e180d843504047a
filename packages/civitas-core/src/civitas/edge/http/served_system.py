"""What an HTTP edge needs of the system that it stands before."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from civitas.message import Message
from civitas.process import Messenger

if TYPE_CHECKING:
    from civitas.runs import RunInfo, RunStatus

__all__ = ["ServedSystem", "agents_of"]


class ServedSystem(Messenger):
    """The system, as a `Runtime` offers it: whom one talks to, and what one may look at."""

    @abstractmethod
    def tree(self) -> dict[str, Any]:
        """See `Runtime.tree`."""

    @abstractmethod
    def scrape(self) -> str:
        """See `Runtime.scrape`."""

    @abstractmethod
    async def result(self, run: str, timeout: float | None = 30.0) -> Message:
        """See `Runtime.result`."""

    @abstractmethod
    def runs(
        self, status: RunStatus | str | None = None, agent: str | None = None
    ) -> list[RunInfo]:
        """See `Runtime.runs`."""

    @abstractmethod
    async def run_info(self, run: str) -> RunInfo:
        """See `Runtime.run_info`."""

    @abstractmethod
    async def cancel(self, run: str) -> bool:
        """See `Runtime.cancel`."""


def agents_of(tree: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The agents and pools in what `ServedSystem.tree` says, not the conversations of a pool."""
    if tree["kind"] in ("agent", "conversation_pool"):
        yield tree
        return
    for child in tree["children"]:
        yield from agents_of(child)
