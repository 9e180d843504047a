"""From a payload to a graph's input, and from LangChain's messages to flat dicts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from langchain_core.messages import BaseMessage, RemoveMessage, convert_to_messages
from langgraph.constants import START
from langgraph.graph.message import REMOVE_ALL_MESSAGES
from pydantic import BaseModel, ValidationError

from civitas.errors import PayloadError
from civitas.errors.hints import did_you_mean
from civitas.frameworks import plain
from civitas.message import to_plain

__all__ = ["GraphInput", "flat_message", "plain_or_text"]

Refuse = Callable[[str, str], NoReturn]


class GraphInput:
    """What a graph takes. LangGraph ignores keys that it does not know; a sender is told about them here.

    Args:
        graph: A compiled graph.
    """

    def __init__(self, graph: Any) -> None:
        builder = getattr(graph, "builder", None)
        schema = getattr(builder, "input_schema", None)
        channels = getattr(builder, "schemas", {}).get(schema, {})
        # A state that is one value, and graphs not built by StateGraph: any payload is theirs to judge.
        self._keys = None if not channels or "__root__" in channels else tuple(channels)
        states = getattr(builder, "channels", {})
        self._state = None if not states or "__root__" in states else tuple(states)
        self.nodes = tuple(each for each in getattr(graph, "nodes", ()) if each != START)
        """The names of the graph's own nodes."""
        self._model = schema if isinstance(schema, type) and issubclass(schema, BaseModel) else None
        self._is_chat = self._keys is not None and "messages" in self._keys
        self._takes_text = self._is_chat and "input" not in channels
        reducer = getattr(channels.get("messages"), "operator", None)
        self._coerces = getattr(reducer, "__module__", "") == "langgraph.graph.message"

    def read(self, payload: Any, refuse: Refuse) -> Any:
        """The graph's input for `payload`, or `refuse` with what is accepted."""
        if self._keys is None:
            return payload
        if not isinstance(payload, dict):
            refuse("payload", f"a dict is needed, got {type(payload).__name__}; {self._accepted()}")
        state = dict(payload)
        if self._takes_text and "input" in state:
            self._add_user_message(state, refuse)
        for key in state:
            if key not in self._keys:
                hint = did_you_mean(key, self._words()) or ";"
                refuse(f"payload.{key}", f"the graph has no such input{hint} {self._accepted()}")
        if not state:
            refuse("payload", f"it is empty; {self._accepted()}")
        if self._coerces and "messages" in state:
            state["messages"] = _messages(state["messages"], refuse)
        if self._model is not None:
            self._validate(self._model, state, refuse)
        return state

    def update(self, values: Any, where: str, refuse: Refuse) -> Any:
        """An update of the state, as a node returns one, or `refuse` with what the state has.

        Args:
            values: As they were sent.
            where: Their place in the payload.
            refuse: Refuses the payload.
        """
        if self._state is None:
            return values
        if not isinstance(values, dict):
            refuse(where, f"a dict is needed, got {type(values).__name__}; {self._has()}")
        for key in values:
            if key not in self._state:
                hint = did_you_mean(key, self._state) or ";"
                refuse(f"{where}.{key}", f"the state has no such key{hint} {self._has()}")
        return values

    def node(self, name: Any, where: str, refuse: Refuse) -> None:
        """`refuse` what is not the name of a node."""
        if name not in self.nodes:
            hint = did_you_mean(name, self.nodes) or ";"
            has = ", ".join(map(repr, self.nodes))
            refuse(where, f"there is no node {name!r}{hint} the graph has {has}")

    def anew(self, state: Any) -> Any:
        """The same input for a thread whose messages it replaces, where the graph's messages can be replaced."""
        if not self._coerces or "messages" not in state:
            return state
        return {**state, "messages": [RemoveMessage(REMOVE_ALL_MESSAGES), *state["messages"]]}

    def _add_user_message(self, state: dict[str, Any], refuse: Refuse) -> None:
        if "messages" in state:
            refuse("payload", "`input` and `messages` mean the same; send one of them")
        given = state.pop("input")
        if not isinstance(given, (str, list)):
            refuse(
                "payload.input",
                f"text or messages are needed, got {type(given).__name__}; {self._accepted()}",
            )
        # An agent that hands over sends the history as a list of messages.
        state["messages"] = (
            given if isinstance(given, list) else [{"role": "user", "content": given}]
        )

    def _validate(self, model: type[BaseModel], state: dict[str, Any], refuse: Refuse) -> None:
        try:
            model.model_validate(state)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(["payload", *map(str, first["loc"])])
            refuse(where, f"{first['msg'].lower()}; {self._accepted()}")

    def _words(self) -> list[str]:
        return [*(self._keys or ()), *(["input"] if self._takes_text else [])]

    def _has(self) -> str:
        return f"the state has {', '.join(map(repr, self._state or ()))}"

    def _accepted(self) -> str:
        words = f"it takes {', '.join(map(repr, self._keys or ()))}"
        return f'{words}, or {{"input": text}}' if self._takes_text else words


def _messages(value: Any, refuse: Refuse) -> list[BaseMessage]:
    items = value if isinstance(value, list) else [value]
    try:
        return convert_to_messages(items)
    except (ValueError, NotImplementedError, TypeError) as error:
        problem = str(error).split("\n", 1)[0]
        refuse(
            "payload.messages",
            f'{problem}; it takes text, a {{"role", "content"}} dict, or a list of these',
        )


def flat_message(message: BaseMessage) -> dict[str, Any]:
    """A message as a flat dict without what is empty; LangGraph takes it as input again."""
    content = message.content
    flat = {"type": message.type, "content": content if type(content) is str else to_plain(content)}
    for key, value in message.model_dump(exclude={"type", "content"}).items():
        told = _told(value) if key in _ABOUT else value
        if _is_empty(told):
            continue
        if type(told) is str:
            flat[key] = told
            continue
        try:
            flat[key] = to_plain(told)
        except PayloadError:
            # Beside its content a message may carry any object, such as a tool's artifact: it is for this process only.
            continue
    return flat


# Dicts about the message, full of what the model's provider left empty.
_ABOUT = frozenset({"additional_kwargs", "response_metadata", "usage_metadata"})


def _told(about: dict[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (about or {}).items() if not _is_empty(value)}


def _is_empty(value: Any) -> bool:
    return value is None or (isinstance(value, (str, list, dict)) and not value)


def plain_or_text(value: Any) -> Any:
    """A copy of `value` as plain data, otherwise its text: what a tool takes and returns may be any object."""
    try:
        return plain(
            value, lambda each: flat_message(each) if isinstance(each, BaseMessage) else each
        )
    except PayloadError:
        return str(value)
