"""What a run of an SDK agent relies on, by name: agents, tools, handoffs, servers, and the words for the models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from agents import Agent, FunctionTool, Handoff

from civitas.frameworks import Part, fingerprint, name_of
from civitas_openai._servers import agents_of
from civitas_openai._tool_calls import name_of as name_of_tool

if TYPE_CHECKING:
    from agents import RunConfig

__all__ = ["shape_of"]

_NAMED_BY_PLACE = ("stdio: ", "sse: ", "streamable_http: ")


def shape_of(first: Agent[Any], config: RunConfig | None) -> Iterator[Part]:
    """What a run of `first` relies on.

    Args:
        first: The agent that it begins at.
        config: The SDK's options of the run.
    """
    yield Part("first agent", "", value=first.name)
    if config is not None and config.model is not None:
        yield Part("model", "", value=_model(config.model), loose=True)
    for agent in agents_of(first):
        yield from _agent(agent)


def _agent(agent: Agent[Any]) -> Iterator[Part]:
    of = agent.name
    yield Part("agent", of)
    yield Part("instructions", "", of, _words(agent.instructions), loose=True)
    if agent.prompt is not None:
        yield Part("prompt", "", of, _words(agent.prompt), loose=True)
    yield Part("model", "", of, _model(agent.model), loose=True)
    for tool in agent.tools:
        schema = fingerprint(tool.params_json_schema) if isinstance(tool, FunctionTool) else ""
        yield Part("tool", name_of_tool(tool), of, schema)
    for handoff in agent.handoffs:
        name = handoff.agent_name if isinstance(handoff, Handoff) else handoff.name
        yield Part("handoff", name, of)
    for server in agent.mcp_servers:
        # The SDK's own names say how a server is reached, which may be another way for the same one.
        yield Part("MCP server", server.name, of, loose=server.name.startswith(_NAMED_BY_PLACE))


def _words(given: Any) -> str:
    """What tells words for a model from others; of a function that makes them, its name."""
    if given is None:
        return ""
    return name_of(given) if callable(given) else fingerprint(given)


def _model(given: Any) -> str:
    if given is None or isinstance(given, str):
        return given or ""
    name = getattr(given, "model", None)
    return name if isinstance(name, str) else name_of(given)
