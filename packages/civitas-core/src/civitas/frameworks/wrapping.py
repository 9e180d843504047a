"""`wrap`: from a framework's object to an agent."""

from __future__ import annotations

import inspect
import sys
from typing import TYPE_CHECKING, Any, Literal, overload

from civitas.errors import ConfigurationError
from civitas.frameworks.defined_in import comes_from
from civitas.frameworks.keywords import OF_A_POOL, describe
from civitas.frameworks.wrapped import Wrapped
from civitas.process import AgentProcess
from civitas.supervision import ConversationPool

if TYPE_CHECKING:
    from civitas.plugins import PluginManager

__all__ = ["ADAPTERS", "wrap", "wrap_with"]

ADAPTERS = {
    "langgraph": "civitas-langgraph",
    "agents": "civitas-openai",
    "crewai": "civitas-crewai",
    "pydantic_ai": "civitas-pydantic-ai",
}
"""For each framework's top module, the distribution that adapts it."""


@overload
def wrap(
    obj: Any, name: str, *, per_conversation: Literal[False] = False, **options: Any
) -> AgentProcess: ...


@overload
def wrap(
    obj: Any, name: str, *, per_conversation: Literal[True], **options: Any
) -> ConversationPool: ...


def wrap(obj: Any, name: str, **options: Any) -> AgentProcess | ConversationPool:
    """Make an agent of a framework's object: a compiled graph, an SDK agent, a crew.

    Whichever installed adapter knows the object makes the agent. A callable that no adapter knows is called without
    arguments when the agent starts, in its task and so with the event loop running, and its result decides; each
    restart builds a fresh object with it. It may be an ``async def``, return an async context manager, which is left
    when the agent ends, or ``(object, closer)``.

    Args:
        obj: The framework's object, or a function without arguments that builds it. Never changed.
        name: Address of the agent.
        **options: Keywords of the adapter, such as LangGraph's `config`, and of `AgentProcess`. With
            `per_conversation=True` there is a process for each conversation, and so a `ConversationPool`, whose
            `idle_timeout` and `max_live` may be given, too.
    Returns:
        An agent, or a pool of its conversations, for a supervisor's `children`.
    Raises:
        ConfigurationError: No installed adapter knows the object, or an option does not fit.
    """
    from civitas.plugins import PluginManager

    return wrap_with(PluginManager(), obj, name, options)


def wrap_with(
    plugins: PluginManager, obj: Any, name: str, options: dict[str, Any]
) -> AgentProcess | ConversationPool:
    """As `wrap`, with the plugins of a runtime."""
    options = dict(options)
    each = options.pop("per_conversation", False)
    if not isinstance(each, bool):
        raise ConfigurationError(
            f"wrap(..., name={name!r}): per_conversation must be True or False; got {each!r}"
        )
    if not each:
        return _wrapped(plugins, obj, name, options)
    pool = {key: options.pop(key) for key in OF_A_POOL if key in options}
    return ConversationPool(name, _wrapped(plugins, obj, name, options), **pool)


def _wrapped(plugins: PluginManager, obj: Any, name: str, options: dict[str, Any]) -> AgentProcess:
    _refuse_agents(obj, name)
    agent: AgentProcess | None = plugins.wrap(obj, name, options)
    if agent is not None:
        return agent
    if not callable(obj):
        raise _unknown(obj, name, plugins)
    _check_needs_nothing(obj, name)

    def adapt(built: Any) -> AgentProcess:
        _refuse_agents(built, name)
        agent: AgentProcess | None = plugins.wrap(built, name, options)
        if agent is None:
            raise _unknown(built, name, plugins, built_by=obj)
        return agent

    return Wrapped(name, subject=obj, adapt=adapt, options=options)


def _check_needs_nothing(function: Any, name: str) -> None:
    try:
        inspect.signature(function).bind()
    except TypeError as error:
        raise ConfigurationError(
            f"wrap(..., name={name!r}): {_called(function)} cannot be called without arguments ({error}); "
            "wrap a function without arguments that builds the graph, agent or crew"
        ) from None
    except ValueError:
        pass  # written in C: it says itself what it wants


def _refuse_agents(obj: object, name: str) -> None:
    if isinstance(obj, AgentProcess) or (isinstance(obj, type) and issubclass(obj, AgentProcess)):
        raise ConfigurationError(
            f"wrap(..., name={name!r}): {obj!r} is already an agent; put it in children as it is, "
            "or name its class with `type:` in a topology"
        )


def _unknown(
    obj: Any, name: str, plugins: PluginManager, built_by: Any = None
) -> ConfigurationError:
    installed = sorted(plugin.name for plugin in plugins.found() if plugin.name in _KNOWN_PLUGINS)
    built = f" (built by {_called(built_by)})" if built_by is not None else ""
    text = f"wrap(..., name={name!r}): no installed adapter knows {describe(obj)}{built}"
    for module, distribution in ADAPTERS.items():
        if comes_from(obj, module) and module in sys.modules:
            if distribution.removeprefix("civitas-") in installed:
                return ConfigurationError(
                    f"{text}; {distribution} is installed, but this is not what it runs. "
                    "Wrap the compiled graph, the Agent or the Crew"
                )
            return ConfigurationError(f"{text}; pip install {distribution}")
    have = ", ".join(f"civitas-{word}" for word in installed) or "none"
    return ConfigurationError(
        f"{text}. Installed adapters: {have}. Wrap a compiled LangGraph graph, an OpenAI Agents SDK or "
        f"Pydantic AI Agent, or a CrewAI Crew, with its adapter installed ({', '.join(ADAPTERS.values())})"
    )


_KNOWN_PLUGINS = frozenset(word.removeprefix("civitas-") for word in ADAPTERS.values())


def _called(obj: Any) -> str:
    return getattr(obj, "__qualname__", None) or describe(obj)
