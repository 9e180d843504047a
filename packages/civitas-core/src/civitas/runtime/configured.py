"""From a topology to the arguments of a `Runtime`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from civitas import topology
from civitas.cluster import Processes
from civitas.edge import Edge
from civitas.errors import ConfigurationError
from civitas.plugins import PluginManager
from civitas.supervision import Supervisor

if TYPE_CHECKING:
    from pathlib import Path

    from civitas.launch import Hold
    from civitas.process import AgentProcess
    from civitas.topology import Topology

__all__ = ["Configured", "configured"]


@dataclass(frozen=True)
class Configured:
    """What a topology makes of a runtime.

    Attributes:
        tree: The root of the tree.
        keywords: Of `Runtime`.
        edges: By which the outside reaches the agents.
        owns_store: Whether the runtime closes the store when it stops.
        holds: What the OS processes hold together.
    """

    tree: Supervisor
    keywords: dict[str, Any]
    edges: Sequence[Edge]
    owns_store: bool
    holds: Sequence[Hold]


def configured(
    config: str | Path | Mapping[str, Any] | Topology,
    agent_classes: Mapping[str, type[AgentProcess]] | None,
    keywords: Mapping[str, Any],
) -> Configured:
    """Read a topology; see `Runtime.from_config`."""
    if agent_classes is not None and not isinstance(agent_classes, Mapping):
        raise ConfigurationError(
            f'agent_classes must be a dict of short names to classes, {{"Short": cls}}; got {agent_classes!r}'
        )
    plugins = PluginManager(keywords.get("plugins", ()))
    loaded = topology.load(config)
    if "transport" in keywords:
        loaded = topology.carried_by(loaded, keywords["transport"], plugins)
    tree = topology.build(loaded, agent_classes=agent_classes, plugins=plugins, leave_out=keywords)
    options = topology.runtime_options(loaded, plugins=plugins, leave_out=keywords)
    owns_store = "state_store" in options
    processes = topology.processes_of(loaded)
    holds = topology.holds_of(loaded, options.get("state_store"))
    links = topology.Links(loaded, plugins)
    keeps = links.keeps()
    kept = topology.kept_of(loaded, tree, all_of_them=bool(keeps)) if keeps is not False else {}
    if processes or kept or links.elects:
        told = topology.boot_data(loaded, agent_classes or {}, keywords)
        access = links.access()
        transport = links.for_root(access)
        options["processes"] = Processes(
            processes,
            transport,
            topology.serializer_of(loaded),
            {**told, "access": asdict(access)},
            access.token,
            holds,
            links.broker(transport, kept),
            links.next_root(access),
        )
    else:
        options.pop("transport", None)  # it may stand there before anything is to be carried
    merged = {**options, **keywords, "plugins": plugins}
    return Configured(tree, merged, topology.edges_of(loaded), owns_store, holds)
