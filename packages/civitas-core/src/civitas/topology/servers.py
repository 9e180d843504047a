"""From the MCP servers of a topology to the supervisor over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from civitas.errors import ConfigurationError
from civitas.supervision import Supervisor
from civitas.topology.grammar import Topology
from civitas.topology.problems import Problem

if TYPE_CHECKING:
    from civitas.mcp import McpServer

__all__ = ["MCP", "mcp_of", "mcp_problems"]

MCP = "mcp"
"""Name of the supervisor."""

_NEVER = 1_000_000_000
"""Restarts: a server that dies again and again waits longer each time, and takes nobody along."""


def mcp_problems(topology: Topology) -> list[Problem]:
    """What is wrong with the MCP servers, found without starting one."""
    problems = []
    for name in topology.mcp:
        try:
            _server(topology, name)
        except ConfigurationError as error:
            problems.append(topology.source.problem((MCP, name), str(error)))
    return problems


def mcp_of(topology: Topology) -> list[Supervisor]:
    """The supervisor over the MCP servers, to stand left of all that uses their tools; nothing if there is none.

    Raises:
        ConfigurationError: As `mcp_problems` says.
    """
    if not topology.mcp:
        return []
    servers = [_server(topology, name) for name in topology.mcp]
    return [Supervisor(MCP, servers, max_restarts=_NEVER, backoff_base=0.1)]


def _server(topology: Topology, name: str) -> McpServer:
    from civitas.mcp import McpServer  # most systems have none

    given = topology.mcp[name].given()
    folder = topology.source.folder
    if folder is not None:
        given["cwd"] = folder / given.get("cwd", "")
    return McpServer(name, **given)
