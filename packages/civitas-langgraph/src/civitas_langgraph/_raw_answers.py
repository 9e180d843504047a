"""Answers of models that LangChain does not know about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from langchain_core.messages import AIMessage, BaseMessage
from langgraph.types import Command
from pydantic import BaseModel

if TYPE_CHECKING:
    from uuid import UUID

__all__ = ["RawAnswers", "messages_in", "text_of"]


class RawAnswers:
    """The messages that nodes return without a chat model of LangChain's, as one that calls its provider's client.

    Nobody hears their tokens, so each is told as a whole, once: what was there before, what a model was heard to say,
    and what a subgraph told already are left out.
    """

    def __init__(self) -> None:
        self._nodes: dict[UUID, str] = {}
        self._heard: set[str] = set()
        self._texts: set[str] = set()
        self._ids: set[str] = set()
        self._objects: dict[int, BaseMessage] = {}

    def node_begins(self, run_id: UUID, task: str, state: Any) -> None:
        """A node begins, on this state."""
        self._nodes[run_id] = task
        for message in messages_in(state):
            self._know(message)

    def model_begins(self, task: str) -> None:
        """A model is heard in this task."""
        self._heard.add(task)

    def model_ends(self, message: BaseMessage | None) -> None:
        """A model said this, whether it was heard or not."""
        if message is not None:
            self._know(message)
            self._texts.add(text_of(message))

    def node_ends(self, run_id: UUID, returned: Any) -> Iterator[tuple[str, str]]:
        """For each answer that has not been sent yet: its text, and its task."""
        task = self._nodes.pop(run_id, None)
        if task is None:
            return
        heard = any(each == task or each.startswith(f"{task}|") for each in self._heard)
        for message in messages_in(returned):
            known = message.id in self._ids or id(message) in self._objects
            if known or not isinstance(message, AIMessage):
                continue
            # LangGraph names it later otherwise; a graph above returns it again.
            message.id = message.id or str(uuid4())
            self._know(message)
            text = text_of(message)
            if text and text not in self._texts and not heard:
                yield text, task

    def _know(self, message: BaseMessage) -> None:
        if message.id is not None:
            self._ids.add(message.id)
        else:
            self._objects[id(message)] = message


def messages_in(value: Any) -> Iterator[BaseMessage]:
    """The messages in what a node takes or returns: a state, an update, a command, or a list of these."""
    if isinstance(value, BaseMessage):
        yield value
    elif isinstance(value, Command):
        yield from messages_in(value.update)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from messages_in(each)
    else:
        for each in _values(value):
            if isinstance(each, BaseMessage):
                yield each
            elif isinstance(each, (list, tuple)):
                yield from (item for item in each if isinstance(item, BaseMessage))


def _values(state: Any) -> Iterable[Any]:
    if isinstance(state, Mapping):
        return state.values()
    if isinstance(state, BaseModel):
        return [getattr(state, name) for name in type(state).model_fields]
    if is_dataclass(state) and not isinstance(state, type):
        return [getattr(state, each.name) for each in fields(state)]
    return ()


def text_of(message: BaseMessage) -> str:
    """The text of a message, whatever else is in it."""
    content: Any = message.content
    if isinstance(content, str):
        return content
    blocks = (
        each if isinstance(each, dict) else {"type": "text", "text": each} for each in content
    )
    return "".join(each.get("text", "") for each in blocks if each.get("type") == "text")
