"""Lets a member use what the root was given in Python, where it is, and go by what it was told there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Protocol

from civitas.budgets import Prices
from civitas.cluster.lent.budgets import BudgetsAtRoot
from civitas.cluster.lent.parts import RemoteModel, RemoteTool, describe_tools, offered_tools
from civitas.cluster.lent.store import RemoteStore, offered
from civitas.models import TracedModel
from civitas.node.budgets import Budgets
from civitas.node.offering import Offering
from civitas.state import InMemoryStateStore, Retention, StateStore
from civitas.telemetry.tracing import Tracing
from civitas.tools import ToolRegistry

__all__ = ["Borrower", "borrow", "borrow_tools", "expect", "offer"]


class Borrower(Protocol):
    """Who uses a store, a model and tools: the member."""

    store: StateStore
    retention: Retention
    llm: Any
    tools: Any
    offering: Offering
    tracing: Tracing
    budgets: Budgets

    def _background(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[object]: ...


def offer(owner: Borrower, given: Sequence[str]) -> dict[str, Any]:
    """What the root says of what it was given in Python: the counterpart of `borrow`.

    Args:
        owner: The root.
        given: Its keywords.
    """
    tools = owner.tools.values() if owner.tools and "tools" in given else None
    return {
        "given": given,
        "llm": owner.llm and owner.llm.provider_name(),
        "tools": describe_tools(tools) if tools is not None else None,
        "keeps": not isinstance(owner.store, InMemoryStateStore),
        "offers": offered(owner.store),
        "tools_offered": offered_tools(owner),
        "prices": owner.budgets.purses.prices.plain(),
    }


def borrow(
    borrower: Borrower, welcome: Mapping[str, Any], call_root: Callable[..., Awaitable[Any]]
) -> None:
    """Take over what the root has.

    Args:
        borrower: The member.
        welcome: What the root says of it.
        call_root: Calls the root.
    """
    given = welcome["given"]
    purses = borrower.budgets.purses
    purses.prices = Prices(welcome.get("prices"))
    if not isinstance(purses.lends, BudgetsAtRoot):
        purses.lends = BudgetsAtRoot(call_root, borrower._background)
    if "state_store" in given and not isinstance(borrower.store, RemoteStore):
        borrower.store = RemoteStore()
    if isinstance(borrower.store, RemoteStore):
        borrower.store.lend(call_root, outlives=welcome["keeps"], offers=welcome["offers"])
    if "model_provider" in given:
        here = RemoteModel(call_root, welcome["llm"]) if welcome["llm"] else None
        borrower.llm = here and TracedModel(here, borrower.tracing)
    if "tools" in given:
        tools = [RemoteTool(call_root, *each) for each in welcome["tools"] or ()]
        borrower.tools = ToolRegistry(tools, borrower.tracing) if tools else None
    borrow_tools(borrower, welcome.get("tools_offered", ()), call_root)
    if "conversations" in given:
        borrower.retention = Retention(**welcome["conversations"])


def borrow_tools(
    borrower: Borrower, described: Iterable[Sequence[Any]], call_root: Callable[..., Awaitable[Any]]
) -> None:
    """Take over the tools of the root that come and go, in place of those that it had."""
    tools = [RemoteTool(call_root, *each) for each in described]
    if tools or borrower.tools is not None:
        borrower.offering.offer("root", tools)


def expect(borrower: Borrower, name: str, spec: Mapping[str, Any]) -> None:
    """An agent is about to start; `spec` is what the root says of it, such as that nothing is kept for it."""
    borrower.budgets.told(name, spec.get("budgets", ()))
    if isinstance(borrower.store, RemoteStore):
        borrower.store.expect(name, nothing=spec.get("new", False))
