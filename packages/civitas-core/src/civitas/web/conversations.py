"""`Conversations`: what adapters keep of conversations, as messages for people to read."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from civitas.errors import ConfigurationError
from civitas.frameworks.conversations import CONVERSATION, key_of
from civitas.frameworks.transcripts import messages_of, open_questions
from civitas.message.json_form import json_form
from civitas.plugins import PluginManager
from civitas.state import LongRecord
from civitas.state.heads import written

if TYPE_CHECKING:
    from civitas.web.feed import Reached

__all__ = ["Conversations", "cut"]

_LISTED = 200
_SHOWN = 200
_LONGEST = 20_000
_PATIENCE = 10.0


class Conversations:
    """Reads the conversations of a running system out of its state store.

    The store is read by the system, as it may be in its memory; what is read is made sense of here, in a thread: that
    imports the framework, for which no event loop should stand still.
    """

    def __init__(self) -> None:
        self._plugins = PluginManager()

    async def listed(self, system: Reached, agent: str) -> dict[str, Any]:
        """The conversations of an agent, those that were used last first, and how many there are."""
        prefix = key_of(agent, "")
        keys = await system.request("stored_keys", within=_PATIENCE, prefix=prefix)
        some = keys[:_LISTED]
        heads = await system.request("stored", within=_PATIENCE, keys=some)
        found = [
            {"name": key.removeprefix(prefix), "used": written(heads.get(key))} for key in some
        ]
        found.sort(key=lambda each: each["used"] or 0, reverse=True)
        return {"conversations": found, "all": len(keys)}

    async def shown(self, system: Reached, name: str) -> dict[str, Any]:
        """The newest messages of a conversation, how many came before them, and the questions that are open.

        Args:
            system: Keeps it.
            name: The agent and the conversation, with a `/` between.

        Raises:
            StateStoreError: It is damaged.
        """
        record = await LongRecord.load(_Stored(system), CONVERSATION + name)
        with ThreadPoolExecutor(1, "civitas-web") as thread:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(thread, self._readable, record)

    def _readable(self, record: LongRecord) -> dict[str, Any]:
        messages = messages_of(record, self._plugins.messages(record))
        return {
            "earlier": max(0, len(messages) - _SHOWN),
            "messages": [_message(each) for each in messages[-_SHOWN:]],
            "questions": [_text(each.get("value")) for each in open_questions(record)],
        }


class _Stored:
    """The state store of a running system, to be read; `LongRecord` writes nothing where it only loads."""

    def __init__(self, system: Reached) -> None:
        self._system = system
        self._one_at_a_time = asyncio.Lock()

    async def get(self, key: str) -> dict[str, Any] | None:
        async with self._one_at_a_time:
            found = await self._system.request("stored", within=_PATIENCE, keys=[key])
        return found.get(key)  # type: ignore[no-any-return]

    async def set(self, key: str, value: Mapping[str, Any]) -> None:
        raise ConfigurationError("the page changes nothing in the state store")

    async def delete(self, key: str) -> None:
        raise ConfigurationError("the page changes nothing in the state store")


def _message(message: Mapping[str, Any]) -> dict[str, Any]:
    calls = [
        {"name": str(each["name"]), "arguments": _text(each["arguments"])}
        for each in message.get("tool_calls", ())
    ]
    return {
        "role": str(message["role"]),
        "name": str(message.get("name") or ""),
        "text": _text(message["content"]),
        "calls": calls,
    }


def _text(content: Any) -> str:
    if isinstance(content, str):
        return cut(content)
    return "" if content is None else cut(json.dumps(json_form(content), ensure_ascii=False))


def cut(text: str, longest: int = _LONGEST) -> str:
    """The beginning of a long text, and how much more there is."""
    more = len(text) - longest
    return f"{text[:longest]}… ({more:,} more characters)" if more > 0 else text
