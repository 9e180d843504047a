"""What is kept of a conversation: Pydantic AI's messages, and what the next run is told about one that failed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

from pydantic_ai import (
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    UserPromptPart,
)
from pydantic_ai.messages import ToolReturnPart

from civitas.errors import ConfigurationError
from civitas.frameworks import newest_turns

__all__ = ["KeptMessages", "closed", "short", "shortened", "storable"]


@dataclass
class KeptMessages:
    """What is kept of a conversation, plain data.

    Attributes:
        items: Its messages.
        failed: The message whose run failed last, and how many `items` there were before it.
        given: Of a run that waits for a human, or failed behind the answer, what else it was given than messages.
    """

    items: list[dict[str, Any]] = field(default_factory=list)
    failed: tuple[str, int] | None = None
    given: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, history: Any, message: str) -> KeptMessages:
        """From `Run.history`.

        Args:
            history: What `dump` made.
            message: Id of the message that is handled.

        Raises:
            ConfigurationError: A newer version kept it.
        """
        if history is None:
            return cls()
        if unknown := sorted(history.keys() - {each.name for each in fields(cls)}):
            raise ConfigurationError(
                f"a newer civitas-pydantic-ai kept this conversation, with {', '.join(map(repr, unknown))} in it, "
                "which is unknown here. Nothing was changed: upgrade civitas-pydantic-ai, or begin another conversation"
            )
        memory = cls(**history)
        if memory.failed is not None and memory.failed[0] == message:
            # It is delivered again, as only its end was not heard of.
            memory.items = memory.items[: memory.failed[1]]
        return memory

    def dump(self) -> dict[str, Any] | None:
        """For `Run.history`."""
        return {name: value for name, value in vars(self).items() if value} or None

    @property
    def messages(self) -> list[ModelMessage]:
        """The messages as Pydantic AI has them."""
        return ModelMessagesTypeAdapter.validate_python(self.items)

    def after(self, began: Sequence[ModelMessage], ended: Sequence[ModelMessage]) -> KeptMessages:
        """What is kept when the conversation, which began as `messages`, has ended as others.

        Args:
            began: What `messages` was when the run began.
            ended: The messages now.
        """
        # What is as it was is not written again.
        known = {id(message): item for message, item in zip(began, self.items, strict=True)}
        new = [each for each in ended if id(each) not in known]
        dumped = iter(ModelMessagesTypeAdapter.dump_python(new, mode="json"))
        items = [known[id(each)] if id(each) in known else short(next(dumped)) for each in ended]
        return KeptMessages(items)


def short(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message, as it can be stored, without the fields that say nothing, which are most of them."""
    short = _said(message)
    short["parts"] = [_part(part) for part in message["parts"]]
    if usage := message.get("usage"):
        short["usage"] = {name: value for name, value in usage.items() if value}
    return short


def storable(value: Any, big: Callable[[int], Any] = str) -> Any:
    """JSON data with half characters escaped, and with ints of more than 64 bits as `big` makes them: as text."""
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="backslashreplace").decode()
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else big(value)
    if isinstance(value, dict):
        return {storable(name, big): storable(each, big) for name, each in value.items()}
    return [storable(each, big) for each in value] if isinstance(value, list) else value


def _part(given: Mapping[str, Any]) -> dict[str, Any]:
    part = _said(given)
    args = part.get("args")
    part = cast(dict[str, Any], storable(part))
    if isinstance(args, dict) and part["args"] != args:
        # As JSON text, which comes back as the numbers that they were.
        part["args"] = json.dumps(storable(args, int))
    return part


def _said(given: Mapping[str, Any]) -> dict[str, Any]:
    # A tool may have returned None.
    return {name: value for name, value in given.items() if value is not None or name == "content"}


def closed(
    messages: Sequence[ModelMessage], results: Mapping[str, Any], otherwise: str
) -> list[ModelMessage]:
    """`messages`, with a result for each call of a tool in the last answer that has none: models refuse the others.

    Args:
        messages: The messages of a conversation.
        results: What is known of the calls, by their ids: a `ToolReturnPart`.
        otherwise: What is said of the others.
    """
    found = list(messages)
    while found and not isinstance(found[-1], ModelResponse):
        found.pop()
    if not found:
        return list(messages)
    answer = cast(ModelResponse, found[-1])
    behind = list(messages[len(found) :])
    ended = {
        part.tool_call_id
        for message in behind
        for part in message.parts
        if isinstance(part, ToolReturnPart)
    }
    missing = [
        results.get(call.tool_call_id)
        or ToolReturnPart(call.tool_name, otherwise, call.tool_call_id, outcome="interrupted")
        for call in answer.tool_calls
        if call.tool_call_id not in ended
    ]
    if answer.state == "interrupted":
        found[-1] = replace(answer, state="complete")
    if not behind:
        return [*found, ModelRequest(parts=missing)] if missing else found
    last = cast(ModelRequest, behind[-1])
    if missing or last.state != "complete":
        behind[-1] = replace(last, parts=[*missing, *last.parts], state="complete")
    return [*found, *behind]


def shortened(items: list[dict[str, Any]], longest: int) -> list[dict[str, Any]]:
    """The newest turns, each from what a user said, with the system prompts before them."""
    newest = list(newest_turns(items, longest, _is_users))
    gone = items[: len(items) - len(newest)]
    prompts = [part for each in gone for part in each["parts"] if _is(part, SystemPromptPart)]
    if prompts and newest:
        newest[0] = {**newest[0], "parts": [*prompts, *newest[0]["parts"]]}
    return newest


def _is_users(item: Mapping[str, Any]) -> bool:
    return any(_is(part, UserPromptPart) for part in item["parts"])


def _is(part: Mapping[str, Any], kind: type[Any]) -> bool:
    return bool(part["part_kind"] == kind.part_kind)
