"""The SDK's `Session`, twice: over what is kept of a conversation, and in front of the user's own in a durable run."""

from __future__ import annotations

import inspect
from typing import Any

from agents.memory import Session

from civitas.frameworks.plain_data import copied

__all__ = ["Buffered", "Conversation"]


class Conversation:
    """A `Session` whose items are the history of a conversation; kept by the agent when the run ends well.

    Args:
        session_id: The conversation.
        items: What it begins with; not changed.
    """

    def __init__(self, session_id: str, items: list[Any] | None) -> None:
        self.session_id = session_id
        self.session_settings = None
        self.items = list(items or ())

    async def get_items(self, limit: int | None = None) -> list[Any]:
        """The latest `limit` items, oldest first."""
        items = self.items if limit is None else self.items[-limit:] if limit > 0 else []
        found: list[Any] = copied(items)
        return found

    # The SDK asks for it five times in a run, to see what to call this with; so it need not be made each time.
    get_items.__signature__ = inspect.signature(get_items)  # type: ignore[attr-defined]

    async def add_items(self, items: list[Any]) -> None:
        """Add items at the end."""
        self.items.extend(copied(items))

    async def pop_item(self) -> Any:
        """Take the latest item off."""
        return copied(self.items.pop()) if self.items else None

    async def clear_session(self) -> None:
        """Forget all items."""
        self.items.clear()


class Buffered:
    """The user's own `Session` in a durable run: what the run adds goes there in one piece, when it ends well.

    A run that is delivered again adds its items again from the start, which must not be seen twice. A session that
    compacts itself does so when the items are there.

    Args:
        session: The user's.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._added: list[Any] = []
        self._compaction: dict[str, Any] | None = None
        if callable(getattr(session, "run_compaction", None)):
            self.run_compaction = self._note_compaction

    def __getattr__(self, name: str) -> Any:
        # What the SDK's own sessions share with it in private would pass by what is held back here.
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._session, name)

    async def _note_compaction(self, args: Any = None, **more: Any) -> None:
        self._compaction = dict(args or {})

    async def get_items(self, limit: int | None = None) -> list[Any]:
        """The latest `limit` items, oldest first."""
        if limit is None:
            return [*await self._session.get_items(), *copied(self._added)]
        own = copied(self._added[-limit:] if limit > 0 else [])
        more = limit - len(own)
        return [*(await self._session.get_items(more) if more > 0 else ()), *own]

    async def add_items(self, items: list[Any]) -> None:
        """Add items at the end."""
        self._added.extend(copied(items))

    async def pop_item(self) -> Any:
        """Take the latest item off."""
        return self._added.pop() if self._added else await self._session.pop_item()

    async def clear_session(self) -> None:
        """Forget all items."""
        self._added.clear()
        await self._session.clear_session()

    async def flush(self) -> None:
        """Hand over what was added."""
        if self._added:
            await self._session.add_items(self._added)
            self._added = []
        if self._compaction is not None:
            compaction: Any = self._session
            await compaction.run_compaction(self._compaction)
            self._compaction = None
