"""The NATS server that is deployed beside a system."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from civitas.deploy.secrets import sole_variable
from civitas.topology.grammar import Topology
from civitas.topology.problems import Problem
from civitas.topology.source import Source

__all__ = ["NATS_IMAGE", "NatsPlan", "server_of"]

NATS_IMAGE = "nats:2-alpine"

_LOCAL = ("127.0.0.1", "localhost", "::1")
_LOGINS_OF_ITS_OWN = ("nkey", "credentials", "tls", "context")
"""Keys that need what only whoever runs the server can set up."""


@dataclass(frozen=True)
class NatsPlan:
    """A NATS server.

    Attributes:
        url: Where the processes reach it.
        variable: The variable by which the topology is told so; empty if it names none.
        keys: The keys of the topology with servers that are to be this one.
        login: What of `user`, `password` and `token` it asks for, each as it is written in its configuration.
        variables: Those that this needs. In the server's environment each stands between single quotes: it reads them
            as it reads its configuration, where 123 is not a text and a blank ends one.
    """

    url: str
    variable: str
    keys: tuple[str, ...]
    login: dict[str, str]
    variables: tuple[str, ...]

    @property
    def settings(self) -> list[str]:
        """What is to hold instead of what the topology says."""
        return [] if self.variable else [f"{key}={self.url}" for key in self.keys]

    def configuration(self, folder: str) -> str:
        """The server's configuration file, with its streams in a folder."""
        lines = [
            "# The server reads what begins with a dollar sign from its environment.",
            "port: 4222",
            "http_port: 8222",
            f'jetstream {{ store_dir: "{folder}" }}',
        ]
        if self.login:
            inside = ", ".join(f"{key}: {value}" for key, value in self.login.items())
            lines.append(f"authorization {{ {inside} }}")
        return "\n".join(lines) + "\n"


def server_of(
    topology: Topology, said: Source, url: str, problems: list[Problem]
) -> tuple[NatsPlan | None, list[str]]:
    """The server to deploy with a topology, and what to know about it; None if there is one.

    Args:
        topology: The topology.
        said: The same as it is written.
        url: Where a server would be reached that is deployed with it.
        problems: Gets what keeps it from being deployed.
    """
    entries: dict[str, dict[str, Any]] = {}
    if topology.transport.type == "nats":
        entries["transport"] = topology.transport.further
    if topology.state is not None and topology.state.type == "nats_kv":
        own = {**topology.state.further}
        if "servers" in own or "context" in own or not entries:
            entries["state"] = own
    wanted = {key: entry for key, entry in entries.items() if _is_local(entry)}
    if not wanted:
        return None, []
    remarks = [
        f"{key!r} names a NATS server of this machine, which a container does not reach, and logs in with "
        f"{logins[0]!r}, which a server must be set up for: run one, and name it under 'servers'"
        for key, entry in wanted.items()
        if (logins := [each for each in _LOGINS_OF_ITS_OWN if each in entry])
    ]
    if remarks:
        return None, remarks
    key = next(iter(wanted))
    login: dict[str, str] = {}
    variables: list[str] = []
    for word in ("user", "password", "token"):
        if word not in wanted[key]:
            continue
        written = said.data[key][word]
        if name := sole_variable(written):
            login[word], variables = f"${name}", [*variables, name]
        elif word == "user" and "${" not in str(written):
            login[word] = json.dumps(written)
        else:
            text = f"{word!r} must be one variable, such as ${{NATS_{word.upper()}}}: the NATS server gets it, too"
            problems.append(said.problem((key, word), text))
    keys = tuple(f"{each}.servers" for each in wanted)
    names = {_variable(said.data[each].get("servers")) for each in wanted}
    variable = names.pop() if len(names) == 1 else ""
    return NatsPlan(url, variable, keys, login, tuple(variables)), []


def _is_local(entry: dict[str, Any]) -> bool:
    """Whether the servers are on the machine of whoever wrote the topology, or said elsewhere."""
    if "context" in entry:
        return False
    servers = entry.get("servers", "nats://127.0.0.1:4222")
    return all(_has_local_host(str(each)) for each in _listed(servers))


def _has_local_host(url: str) -> bool:
    if sole_variable(url):
        return True
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return False
    # A name of one word is that of a service beside this one.
    return parts.username is None and (host in _LOCAL or not set(host) & set(".:"))


def _variable(servers: Any) -> str:
    """The variable that says all of the servers."""
    listed = _listed(servers)
    return sole_variable(listed[0]) if len(listed) == 1 else ""


def _listed(servers: Any) -> list[Any]:
    return list(servers) if isinstance(servers, (list, tuple)) else [servers]
