"""The model and the tools that the root was given in Python, for a member: they stay there and are called."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from civitas.message import decode, encode
from civitas.models import ModelResponse

if TYPE_CHECKING:
    from civitas.tools import ToolProvider

__all__ = ["RemoteModel", "RemoteTool", "describe_tools", "offered_tools"]


class RemoteModel:
    """A ModelProvider that asks the one of the root.

    Args:
        call_root: Calls the root.
        provider_name: Who serves its models.
    """

    def __init__(self, call_root: Callable[..., Awaitable[Any]], provider_name: str) -> None:
        self.provider_name = provider_name
        self._call_root = call_root

    async def chat(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        tools: Iterable[ToolProvider] | None = None,
    ) -> ModelResponse:
        """Let `model` answer a conversation; as `ModelProvider.chat`."""
        described = None if tools is None else describe_tools(tools)
        request = encode([model, list(messages), described], "chat")
        return ModelResponse(**decode(await self._call_root("chat", request)))


@dataclass(frozen=True, slots=True)
class RemoteTool:
    """A tool of the root.

    Attributes:
        call_root: Calls the root.
        name: As at the root.
        description: As at the root.
        parameters: As at the root.
    """

    call_root: Callable[..., Awaitable[Any]]
    name: str
    description: str
    parameters: Mapping[str, Any]

    async def call(self, **arguments: Any) -> Any:
        """Let the root do it."""
        request = encode([self.name, arguments], f"arguments of {self.name}")
        return decode(await self.call_root("tool", request))


def describe_tools(tools: Iterable[ToolProvider]) -> list[list[Any]]:
    """What a model needs to know of tools, as plain data."""
    return [[each.name, each.description, dict(each.parameters)] for each in tools]


def offered_tools(owner: Any) -> list[list[Any]]:
    """Those of the root's tools that come and go, as plain data."""
    return describe_tools(owner.tools._all_offered()) if owner.tools else []
