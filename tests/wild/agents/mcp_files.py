"""MCP: an agent with the tools of a filesystem server that talks over stdio."""

import sys
from pathlib import Path

from agents import Agent
from agents.mcp import MCPServerStdio

server = MCPServerStdio(
    name="Filesystem Server",
    params={
        "command": sys.executable,
        "args": [str(Path(__file__).parent / "mcp_files_server.py")],
    },
    client_session_timeout_seconds=30,
)
agent = Agent(
    name="Assistant",
    instructions="Use the tools to read the filesystem and answer from the files.",
    mcp_servers=[server],
)
