"""What an HTTP edge needs of the system that it stands before."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from typing import Any, Protocol

from civitas.message import Message

__all__ = ["Behind", "agents_of"]


class Behind(Protocol):
    """The system, as a `Runtime` offers it."""

    async def send(
        self,
        to: str,
        payload: Any,
        message_type: str = "message",
        *,
        timeout: float | None = 30.0,
        conversation: str | None = None,
        headers: Mapping[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
        run: str | None = None,
    ) -> None:
        """See `Runtime.send`."""

    def stream(
        self,
        to: str,
        payload: Any,
        message_type: str = "message",
        *,
        timeout: float | None = 30.0,
        conversation: str | None = None,
        headers: Mapping[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
        run: str | None = None,
    ) -> AsyncGenerator[Message, None]:
        """See `Runtime.stream`."""

    async def ask(
        self,
        to: str,
        payload: Any,
        message_type: str = "message",
        *,
        timeout: float | None = 30.0,
        conversation: str | None = None,
        headers: Mapping[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
        run: str | None = None,
    ) -> Message:
        """See `Runtime.ask`."""

    def tree(self) -> dict[str, Any]:
        """See `Runtime.tree`."""

    async def result(self, run: str, timeout: float | None = 30.0) -> Message:
        """See `Runtime.result`."""

    async def run_info(self, run: str) -> Any:
        """See `Runtime.run_info`."""

    async def cancel(self, run: str) -> bool:
        """See `Runtime.cancel`."""


def agents_of(tree: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The agents and pools in what `Behind.tree` says, not the conversations of a pool."""
    if tree["kind"] in ("agent", "conversation_pool"):
        yield dict(tree)
        return
    for child in tree["children"]:
        yield from agents_of(child)
