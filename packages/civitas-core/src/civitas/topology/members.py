"""The OS processes of a topology: what the root needs to start them, and what they need to make their agents."""

from __future__ import annotations

import logging
import sys
from collections.abc import Collection, Mapping
from types import ModuleType
from typing import Any

from civitas.cluster.lent.store import RemoteStore
from civitas.errors import ConfigurationError
from civitas.launch import HangWatchdog
from civitas.models import TracedModel
from civitas.plugins import PluginManager
from civitas.process import AgentProcess
from civitas.state import InMemoryStateStore
from civitas.supervision import ConversationPool
from civitas.telemetry.tracing import Tracing
from civitas.tools import ToolRegistry
from civitas.topology.building import Builder, runtime_options
from civitas.topology.grammar import AgentEntry, ProcessEntry, Topology
from civitas.topology.handover import digest_of, handed_over
from civitas.topology.links import carried_by
from civitas.topology.problems import topology_error
from civitas.topology.resolving import add_to_path

__all__ = ["AgentMaker", "boot_data", "make_parts"]


def boot_data(
    topology: Topology,
    agent_classes: Mapping[str, type[AgentProcess]],
    keywords: Mapping[str, Any],
) -> dict[str, Any]:
    """What each process is told by the root, beside what concerns it alone.

    Args:
        topology: Of the system.
        agent_classes: Short names for `type:`.
        keywords: Those of `Runtime` that were given in Python; what they hold stays with the root.

    Raises:
        ConfigurationError: Another process could not import one of the classes, or not be handed the topology.
        TopologyError: One that is started elsewhere would not know a short name, or none of them the carrier.
    """
    _check_short_names(topology, agent_classes)
    placed = {
        entry.type
        for _, _, entry in topology.walk()
        if isinstance(entry, AgentEntry) and entry.process
    }
    plugins = keywords.get("plugins", ())
    modules = [each for each in plugins if isinstance(each, ModuleType)]
    lent = set(keywords)
    if len(modules) < len(plugins):
        # An object cannot be made again elsewhere, so what it provides is lent, too.
        lent |= {"state_store", "model_provider", "tools"}
        _check_carrier(topology, modules)
    return {
        "topology": handed_over(topology),
        "agent_classes": {
            name: _path_of(name, kind) for name, kind in agent_classes.items() if name in placed
        },
        "plugins": [each.__name__ for each in modules],
        "root_has": sorted(lent),
        "digest": digest_of(topology),
        "transport": keywords.get("transport"),
        "path": [each for each in sys.path if each],
        "log_level": logging.getLogger("civitas").getEffectiveLevel(),
    }


def _check_carrier(topology: Topology, modules: Collection[ModuleType]) -> None:
    """A carrier is the one thing that cannot be lent: each process needs it to reach the root."""
    carrier = topology.transport.type
    if carrier not in PluginManager(modules).transports():
        problem = topology.source.problem(
            ("transport", "type"),
            f"the plugin of transport {carrier!r} was passed as an object, which other processes cannot import; "
            "pass it as a module, or install it",
        )
        raise topology_error([problem], topology.source.file)


def _check_short_names(topology: Topology, agent_classes: Mapping[str, type[AgentProcess]]) -> None:
    """A process started elsewhere has the topology, and nothing that was given in Python."""
    for path, _, entry in topology.walk():
        if (
            not isinstance(entry, AgentEntry)
            or not entry.process
            or entry.type not in agent_classes
        ):
            continue
        if not topology.processes.get(entry.process, ProcessEntry()).given().get("start", True):
            kind = agent_classes[entry.type]
            problem = topology.source.problem(
                (*path, "type"),
                f"{entry.type!r} is a short name of agent_classes, which process {entry.process!r} does not know, as "
                f"it is started elsewhere; write package.module.Class: {kind.__module__}.{kind.__qualname__}",
            )
            raise topology_error([problem], topology.source.file)


def _path_of(name: str, kind: type[AgentProcess]) -> str:
    path = f"{kind.__module__}:{kind.__qualname__}"
    if kind.__module__ == "__main__" or "<locals>" in path:
        raise ConfigurationError(
            f"agent_classes: another OS process cannot import {name!r}, which is {path}; "
            "define it in a module of its own"
        )
    return path


class AgentMaker:
    """Makes the agents of one OS process, each when it is first started.

    Args:
        topology: Of the system.
        agent_classes: Paths of the classes with short names.
        plugins: The plugins of this process.
        watchdog: Paused while modules are imported.
        transport: What the root was given instead of the transport that stands there; None for nothing.
    """

    def __init__(
        self,
        topology: Topology,
        agent_classes: Mapping[str, str],
        plugins: PluginManager,
        watchdog: HangWatchdog,
        transport: str | None,
    ) -> None:
        self.topology = topology
        if transport is not None:
            self.topology = carried_by(self.topology, transport, plugins)
        if self.topology.source.folder is not None:
            add_to_path(self.topology.source.folder)
        self._agent_classes = agent_classes
        self._plugins = plugins
        self._watchdog = watchdog
        self._ready: dict[str, AgentProcess | ConversationPool] = {}

    def prepare(self, process: str) -> None:
        """Make the agents of a process already, for the first time that each is asked for.

        Raises:
            CivitasError: As when one is asked for.
        """
        for _, entry in self.topology.agents_of(process):
            self._ready[entry.name] = self(entry.name)
        self._watchdog.pause()  # until the agents are to run

    def __call__(self, name: str) -> AgentProcess | ConversationPool:
        """Make what the topology calls `name`.

        Raises:
            TopologyError: What it names cannot be resolved, or does not fit.
            StartFailed: Its module or constructor raised.
        """
        if (made := self._ready.pop(name, None)) is not None:
            return made
        self._watchdog.pause()
        try:
            builder = Builder(self.topology, self._agent_classes, self._plugins)
            return builder.one(name)
        finally:
            self._watchdog.resume()


def make_parts(
    topology: Topology, plugins: PluginManager, tracing: Tracing, root_has: Collection[str]
) -> tuple[dict[str, Any], Any]:
    """The store, the model and the tools of a process, as keywords of a node; and the store as it was made.

    Args:
        topology: Names them.
        plugins: Know them.
        tracing: Makes their spans.
        root_has: What the root was given in Python instead.
    """
    options = runtime_options(topology, plugins=plugins, leave_out=root_has)
    store = options.get("state_store")
    if store is None or isinstance(store, InMemoryStateStore):
        store = RemoteStore()  # one memory for all processes
    model, tools = options.get("model_provider"), options.get("tools")
    parts = {
        "store": store,
        "llm": None if model is None else TracedModel(model, tracing),
        "tools": None if tools is None else ToolRegistry(tools, tracing),
    }
    return parts, store
