"""What the root does for its members with what it was given in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from typing import Any, Protocol

from civitas.cluster.desk import Serves
from civitas.cluster.lent.budgets import BudgetsForMembers, HasBudgets
from civitas.cluster.lent.parts import offered_tools
from civitas.cluster.lent.store import OPTIONAL
from civitas.cluster.peers import Peer
from civitas.message import decode, encode
from civitas.models import ModelResponse
from civitas.node.offering import Offering
from civitas.state import StateStore
from civitas.tools.threads import tool_threads

__all__ = ["Equipped", "Lender", "lend"]

_RESPONSE: dict[str, Any] = {field.name: field.default for field in fields(ModelResponse)}
_STORE = ("get", "set", "delete", *OPTIONAL)


class Equipped(Protocol):
    """Who has the store, the model and the tools: the root."""

    store: StateStore
    llm: Any
    tools: Any
    tool_threads: ThreadPoolExecutor


class _Root(Equipped, HasBudgets, Protocol):
    offering: Offering


@dataclass(frozen=True, slots=True)
class _Described:
    """A tool of a member as the model of the root sees it; it is the member that calls it."""

    name: str
    description: str
    parameters: Mapping[str, Any]

    async def call(self, **arguments: Any) -> Any:
        raise NotImplementedError(f"{self.name!r} can only be called where the model was asked")


class Lender:
    """Calls the store, the model and the tools of the root for its members; they make the spans.

    Args:
        owner: Who has them.
    """

    def __init__(self, owner: Equipped) -> None:
        self._owner = owner
        self.serves: dict[str, Serves] = {
            "chat": self.chat,
            "tool": self.tool,
            "store": self.store,
        }
        """What is done for each call of a member."""

    async def chat(self, _: Peer, request: bytes) -> bytes:
        """Let the model answer."""
        model, messages, tools = decode(request)
        described = None if tools is None else [_Described(*each) for each in tools]
        response = await self._owner.llm.provider.chat(model, messages, described)
        # A provider may answer with an object of its own: what it lacks takes the default.
        answer = {name: getattr(response, name, default) for name, default in _RESPONSE.items()}
        return encode({**answer, "tool_calls": list(answer["tool_calls"])}, "response")

    async def tool(self, _: Peer, request: bytes) -> bytes:
        """Call a tool."""
        name, arguments = decode(request)
        tool_threads.set(self._owner.tool_threads)
        result = await self._owner.tools._untraced(name).call(**arguments)
        return encode(result, f"result of {name}")

    async def store(self, _: Peer, what: str, arguments: bytes) -> bytes:
        """Call a method of the store."""
        if what not in _STORE:
            raise ValueError(f"a state store has no method {what!r}")
        store: Any = self._owner.store
        given = decode(arguments)
        if what == "write":
            return encode(await store.write(given[0], expect=given[1]))
        result = await getattr(store, what)(*given)
        return encode(list(result) if what in ("keys", "get_with_revision") else result)


def lend(root: _Root, tell: Callable[..., None]) -> dict[str, Serves]:
    """What the root does for each call of a member; tools that come and go are told to all of them, by `tell`."""
    root.offering.changed = lambda: tell("tools", offered_tools(root))
    return {**Lender(root).serves, **BudgetsForMembers(root).serves}
