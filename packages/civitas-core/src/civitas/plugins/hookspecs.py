"""Every hook that a plugin may implement.

A hook is a plain function (not ``async``) marked with ``@civitas.hookimpl``, in a module or on an object. It may leave
out arguments it has no use for. The hooks that return a dict are called once, when the plugin is loaded: keep them
quick, and import what is heavy inside the class, when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from civitas.events import Event
    from civitas.state import LongRecord

__all__ = [
    "civitas_agent_types",
    "civitas_messages",
    "civitas_model_providers",
    "civitas_on_event",
    "civitas_redact",
    "civitas_state_stores",
    "civitas_tool_providers",
    "civitas_transports",
    "civitas_wrap",
    "hookimpl",
    "hookspec",
]

hookspec = pluggy.HookspecMarker("civitas")
hookimpl = pluggy.HookimplMarker("civitas")
"""Marks a function as the implementation of the hook that has its name."""


@hookspec
def civitas_state_stores() -> dict[str, Any]:  # type: ignore[empty-body]
    """State stores by name: ``{"redis": RedisStateStore}`` makes ``state: {type: redis, url: ...}`` work.

    The value is a class, or a function that makes a store. The other keys of the topology's ``state`` are its keywords.
    """


@hookspec
def civitas_transports() -> dict[str, Any]:  # type: ignore[empty-body]
    """Carriers by name: ``{"pigeon": PigeonCarrier}`` makes ``transport: {type: pigeon, ...}`` work.

    The value is a class with the members of `civitas.transport.Carrier`, or a function: it is called without arguments.
    The other keys of the topology's ``transport`` are those that its `keys` names.
    """


@hookspec
def civitas_agent_types() -> dict[str, Any]:  # type: ignore[empty-body]
    """`AgentProcess` subclasses by a short name, for ``agent: {type: NAME, ...}``."""


@hookspec
def civitas_model_providers() -> dict[str, Any]:  # type: ignore[empty-body]
    """Classes with the methods of `civitas.models.ModelProvider`, by name."""


@hookspec
def civitas_tool_providers() -> dict[str, Any]:  # type: ignore[empty-body]
    """Tools by name: what ``@civitas.tool`` made, or a class with the members of `civitas.tools.ToolProvider`."""


@hookspec(firstresult=True)
def civitas_wrap(obj: Any, name: str, options: Mapping[str, Any]) -> Any:
    """Turn a framework's object into an `AgentProcess`, or return None if it is not yours.

    The first plugin that answers wins. Look at ``type(obj).__module__`` before importing the framework: every object
    that anybody wraps comes by here.

    Args:
        obj: What was given to `civitas.wrap`.
        name: The name that the agent gets.
        options: The other keywords of `civitas.wrap`, or the other keys in a topology.
    """


@hookspec(firstresult=True)
def civitas_messages(kept: LongRecord) -> Any:
    """The messages of a conversation that your adapter keeps, for ``civitas state show``, or None if it is not yours.

    An adapter needs it only if what it keeps is not plain data that people can read.

    Args:
        kept: What is kept of the conversation. It is not yours to change.

    Returns:
        A list of dicts, each with its ``role`` (or ``type``) and its ``content``, and ``tool_calls`` if there are some.
    """


@hookspec
def civitas_on_event(event: Event) -> None:
    """Something happened: a crash, a restart, a dead letter. Called on the event loop: be quick.

    An error in it is logged and otherwise ignored.
    """


@hookspec
def civitas_redact(attribute: str, content: Any) -> Any:
    """Change what of a conversation is about to be recorded in a trace, or return None to leave it out.

    Asked only if the environment wants prompts, answers, arguments or results in traces. Each plugin is given what the
    one before returned. Where one raises an error, nothing is recorded.

    Args:
        attribute: What it is recorded as, such as ``gen_ai.input.messages`` or ``gen_ai.tool.call.arguments``.
        content: Plain data, in the shape that the GenAI conventions give that attribute. It is a copy.
    """
