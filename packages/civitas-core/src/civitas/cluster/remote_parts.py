"""The model and the tools that the root was given in Python, for a member: they stay there and are called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from civitas.message import decode, encode
from civitas.models import ModelResponse
from civitas.tools import ToolRegistry
from civitas.tools.threads import tool_threads

if TYPE_CHECKING:
    from civitas.cluster.member import MemberNode
    from civitas.cluster.root import RootNode
    from civitas.tools import ToolProvider

__all__ = ["RemoteModel", "RemoteTool", "call_tool", "chat", "describe_tools"]

_RESPONSE: dict[str, Any] = {field.name: field.default for field in fields(ModelResponse)}


class RemoteModel:
    """A ModelProvider that asks the one of the root.

    Args:
        node: The member.
    """

    def __init__(self, node: MemberNode) -> None:
        self._node = node

    async def chat(
        self,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        tools: Iterable[ToolProvider] | None = None,
    ) -> ModelResponse:
        """Let `model` answer a conversation; as `ModelProvider.chat`."""
        described = None if tools is None else describe_tools(tools)
        request = encode([model, list(messages), described], "chat")
        return ModelResponse(**decode(await self._node.call_root("chat", request)))


@dataclass(frozen=True, slots=True)
class RemoteTool:
    """A tool of the root.

    Attributes:
        node: The member.
        name: As at the root.
        description: As at the root.
        parameters: As at the root.
    """

    node: MemberNode
    name: str
    description: str
    parameters: Mapping[str, Any]

    async def call(self, **arguments: Any) -> Any:
        """Let the root do it."""
        request = encode([self.name, arguments], f"arguments of {self.name}")
        return decode(await self.node.call_root("tool", request))


@dataclass(frozen=True, slots=True)
class _Described:
    """A tool of a member as the model of the root sees it; it is the member that calls it."""

    name: str
    description: str
    parameters: Mapping[str, Any]

    async def call(self, **arguments: Any) -> Any:
        raise NotImplementedError(f"{self.name!r} is called where the model was asked")


def describe_tools(tools: Iterable[ToolProvider]) -> list[list[Any]]:
    """What a model needs to know of tools, as plain data."""
    return [[each.name, each.description, dict(each.parameters)] for each in tools]


async def chat(root: RootNode, request: bytes) -> bytes:
    """Let the model of the root answer, for a member; the member makes the span."""
    model, messages, tools = decode(request)
    described = None if tools is None else [_Described(*each) for each in tools]
    response = await root.llm.provider.chat(model, messages, described)
    # A provider may answer with an object of its own: what it lacks takes the default.
    answer = {name: getattr(response, name, default) for name, default in _RESPONSE.items()}
    return encode({**answer, "tool_calls": list(answer["tool_calls"])}, "response")


async def call_tool(root: RootNode, request: bytes) -> bytes:
    """Call a tool of the root, for a member; the member makes the span."""
    name, arguments = decode(request)
    tools: ToolRegistry = root.tools
    tool_threads.set(root.tool_threads)
    return encode(await tools.untraced(name).call(**arguments), f"result of {name}")
