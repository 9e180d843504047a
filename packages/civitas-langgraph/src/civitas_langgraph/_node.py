"""Agents of the system as nodes of a graph."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias, TypedDict

from langchain_core.messages import BaseMessage
from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

from civitas.errors import ConfigurationError
from civitas.frameworks import AgentCall, plain
from civitas.message import Message
from civitas.process.options import check_timeout
from civitas_langgraph._payload import flat_message
from civitas_langgraph._tools import span_of_the_call

__all__ = ["agent_node"]

Takes: TypeAlias = "str | Sequence[str] | Callable[[Any], Any] | None"
Gives: TypeAlias = "str | Sequence[str] | Callable[[Any], Any] | None"


def agent_node(
    name: str, *, takes: Takes = None, gives: Gives = None, timeout: float | None = None
) -> Callable[[Any], Awaitable[Any]]:
    """A node that asks the agent `name`, wherever it runs and whatever its framework.

    Made in module code; it finds the running system when it is called. A failure of the agent is raised in the node. A
    question of the agent's to a human is one of the graph's, and its answer goes to the agent.

    Args:
        name: Name of the agent.
        takes: What of the state is the payload: the names of its keys; one name for its value alone; a function of the
            state; None for all of it. Messages become flat dicts.
        gives: What of the reply updates the state: the names of keys of its payload; one name for the key that is given
            the whole payload; a function of the payload that returns an update; None: the payload is the update.
        timeout: Seconds to wait for the answer; None: as long as the run that calls it may take.

    Raises:
        ConfigurationError: An argument does not fit; when called, that it was outside of an agent.
    """
    who = f"agent_node({name!r})"
    check_timeout(timeout, f"{who}: timeout")
    _check(takes, f"{who}: takes")
    _check(gives, f"{who}: gives")
    call = AgentCall(name, description=name, timeout=timeout)
    asking = _asking(call)

    async def node(state: Any) -> Any:
        payload = plain(_taken(state, takes, who), _flat)
        done = await asking.ainvoke({"payload": payload})
        return _update(done["reply"]["payload"], gives, who)

    node.__name__ = node.__qualname__ = name
    return node


class _Asked(TypedDict, total=False):
    payload: Any
    reply: dict[str, Any]


def _asking(call: AgentCall) -> Any:
    """A graph of its own, so that what was asked is kept while a human is asked: a node begins again then."""

    async def ask(state: _Asked) -> _Asked:
        with span_of_the_call():
            return {"reply": _kept(await call.ask(state["payload"]))}

    async def answer(state: _Asked) -> _Asked:
        reply = state["reply"]
        questions = reply["payload"]["interrupts"]
        values = {each["id"]: interrupt(each["value"]) for each in questions}
        with span_of_the_call():
            answers = await call.ask(
                {"values": values}, "resume", conversation=reply["conversation"]
            )
        return {"reply": _kept(answers)}

    def next_(state: _Asked) -> str:
        return "answer" if state["reply"]["type"] == "interrupt" else END

    graph = StateGraph(_Asked)
    graph.add_node("ask", ask)
    graph.add_node("answer", answer)
    graph.add_edge(START, "ask")
    graph.add_conditional_edges("ask", next_, ["answer", END])
    graph.add_conditional_edges("answer", next_, ["answer", END])
    return graph.compile(name=call.name)


def _kept(reply: Message) -> dict[str, Any]:
    return {"type": reply.type, "payload": reply.payload, "conversation": reply.conversation}


def _check(given: Any, what: str) -> None:
    if given is None or callable(given) or (isinstance(given, str) and given):
        return
    if isinstance(given, Sequence) and given and all(isinstance(each, str) for each in given):
        return
    raise ConfigurationError(
        f"{what} must be the name of a key, a list of names, or a function; got {given!r}"
    )


def _taken(state: Any, takes: Takes, who: str) -> Any:
    if callable(takes):
        return takes(state)
    if takes is None:
        return state
    if isinstance(takes, str):
        return _value(state, takes, who)
    return {key: _value(state, key, who) for key in takes}


def _value(state: Any, key: str, who: str) -> Any:
    try:
        return state[key] if isinstance(state, Mapping) else getattr(state, key)
    except (KeyError, AttributeError):
        raise ConfigurationError(
            f"{who}: takes names {key!r}, which is not in the state; nothing has set it yet"
        ) from None


def _update(payload: Any, gives: Gives, who: str) -> Any:
    if callable(gives):
        return gives(payload)
    if isinstance(gives, str):
        return {gives: payload}
    if not isinstance(payload, dict):
        raise ConfigurationError(
            f"{who}: the agent answered with {type(payload).__name__}, not with a dict. Name the key that it is put "
            "under: gives='answer'"
        )
    if gives is None:
        return payload
    if missing := [key for key in gives if key not in payload]:
        have = ", ".join(map(repr, payload)) or "nothing"
        raise ConfigurationError(
            f"{who}: gives names {missing[0]!r}, which is not in the answer; it has {have}"
        )
    return {key: payload[key] for key in gives}


def _flat(value: Any) -> Any:
    return flat_message(value) if isinstance(value, BaseMessage) else value
