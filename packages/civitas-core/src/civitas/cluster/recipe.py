"""How a spawned agent is made again in its OS process: the path of its class, and its arguments."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from civitas.errors import ConfigurationError, PayloadError
from civitas.message import encode
from civitas.process import AgentProcess

__all__ = ["check_recipe", "follow", "recipe_of"]

_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")


def recipe_of(agent: AgentProcess) -> dict[str, Any]:
    """The recipe for an agent, as plain data.

    Raises:
        ConfigurationError: It cannot be made again from what can be sent.
    """
    kind = type(agent)
    args, keywords = agent._civitas_call
    path = f"{kind.__module__}:{kind.__qualname__}"
    refused = f"{agent.name!r} cannot be spawned from an OS process of its own: "
    try:
        encode([list(args), dict(keywords)], "arguments")
    except PayloadError as error:
        raise ConfigurationError(
            f"{refused}{error}. "
            "Its process may have to be started again, so the arguments must be data that can be sent"
        ) from error
    if "<locals>" in path:
        raise ConfigurationError(
            f"{refused}its class {path} is made in a function; define it in a module"
        )
    try:
        found = _at(path)
    except (ImportError, AttributeError):
        found = None
    if found is not kind:
        raise ConfigurationError(
            f"{refused}{path} is not its class; define it in a module, under its own name"
        )
    return {"name": agent.name, "class": path, "args": list(args), "keywords": dict(keywords)}


def check_recipe(recipe: Any) -> str:
    """Check the form of a recipe that another process sent; what it names is known when it is followed.

    Returns:
        The name of the agent.

    Raises:
        ConfigurationError: It is none.
    """
    if not (
        isinstance(recipe, Mapping)
        and isinstance(recipe.get("name"), str)
        and isinstance(recipe.get("args"), list)
        and isinstance(recipe.get("keywords"), Mapping)
        and _PATH.fullmatch(str(recipe.get("class")))
    ):
        raise ConfigurationError(
            "what another process wants to spawn is not a recipe: a name, the path of an agent's class, and arguments"
        )
    return str(recipe["name"])


def follow(recipe: Mapping[str, Any]) -> AgentProcess:
    """Make the agent; imports its module.

    Raises:
        ConfigurationError: What it names is not a class of agents. Nothing else is ever called.
        BaseException: Whatever the module or the constructor raises.
    """
    check_recipe(recipe)
    kind = _at(recipe["class"])
    if not (isinstance(kind, type) and issubclass(kind, AgentProcess)):
        raise ConfigurationError(
            f"{recipe['name']!r} cannot be made: {recipe['class']} is not a subclass of AgentProcess"
        )
    return kind(*recipe["args"], **recipe["keywords"])


def _at(path: str) -> Any:
    module, _, name = path.partition(":")
    found: Any = import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found
