"""The entries of a topology beside its tree, and what every entry is; see `grammar`."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from civitas.topology.values import (
        Count,
        CountOrZero,
        Duration,
        EnvironmentName,
        EnvironmentText,
        Port,
        Seconds,
        SecondsOrZero,
        Switch,
        Text,
        Words,
    )

__all__ = [
    "ConversationsEntry",
    "EdgeEntry",
    "HttpEntry",
    "McpEntry",
    "OpenEntry",
    "ProcessEntry",
    "ProvidedEntry",
    "ResultsEntry",
    "RuntimeEntry",
    "TopologyEntry",
    "TransportEntry",
]


_BESIDE = ("stated", "further", "source")
"""The fields that hold something else than a key."""


@dataclass(frozen=True, kw_only=True)
class TopologyEntry:
    """A mapping of the file.

    Attributes:
        stated: The keys that are in it, and no defaults.
    """

    stated: frozenset[str] = field(default=frozenset(), repr=False)

    @classmethod
    def declared(cls) -> list[str]:
        """The keys that are declared for it."""
        return [each.name for each in fields(cls) if each.name not in _BESIDE]

    def given(self, *leave_out: str) -> dict[str, Any]:
        """The declared keys that are in the file, with their values."""
        return {
            key: getattr(self, key)
            for key in self.declared()
            if key in self.stated and key not in leave_out
        }

    def everything(self) -> dict[str, Any]:
        """Every key with its value, whether the file or the default says so."""
        return {key: getattr(self, key) for key in self.declared()}


@dataclass(frozen=True, kw_only=True)
class OpenEntry(TopologyEntry):
    """A mapping that takes further keys: keywords of a class that only its own constructor knows.

    Attributes:
        further: The keys that are not declared here, with their values.
    """

    further: dict[str, Any] = field(default_factory=dict)

    def everything(self) -> dict[str, Any]:
        """Every key with its value, the further ones too."""
        return {**super().everything(), **self.further}


@dataclass(frozen=True, kw_only=True)
class TransportEntry(OpenEntry):
    """What carries messages between OS processes."""

    type: Text


@dataclass(frozen=True, kw_only=True)
class ProvidedEntry(OpenEntry):
    """What a plugin provides, by name; the other keys are keywords of its constructor."""

    type: Text


@dataclass(frozen=True, kw_only=True)
class RuntimeEntry(TopologyEntry):
    """Options of the runtime."""

    drain_timeout: SecondsOrZero = 30.0
    node_timeout: Seconds = 10.0
    dead_letters: CountOrZero = 1000


@dataclass(frozen=True, kw_only=True)
class ConversationsEntry(TopologyEntry):
    """What of the conversations of adapters is kept."""

    keep: Duration | None = None
    longest: Count | None = None


@dataclass(frozen=True, kw_only=True)
class ResultsEntry(TopologyEntry):
    """How long the answers of durable agents are kept."""

    keep: Duration = 24 * 3600.0


@dataclass(frozen=True, kw_only=True)
class HttpEntry(TopologyEntry):
    """The HTTP edge."""

    host: Text = "127.0.0.1"
    port: Port = 8700
    token: Text | None = None
    max_body: Count = 4 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class EdgeEntry(TopologyEntry):
    """The ways by which programs outside reach the agents."""

    http: HttpEntry | None = None


@dataclass(frozen=True, kw_only=True)
class McpEntry(TopologyEntry):
    """An MCP server; what is not given has a default."""

    command: Words
    env: dict[EnvironmentName, EnvironmentText] = field(default_factory=dict)
    cwd: Text = "."
    prefix: str = ""
    timeout: Seconds | None = 60.0
    start_timeout: Seconds | None = 60.0


@dataclass(frozen=True, kw_only=True)
class ProcessEntry(TopologyEntry):
    """An OS process; what is not given has a default."""

    python: Text | None = None
    env: dict[EnvironmentName, EnvironmentText] = field(default_factory=dict)
    cwd: Text | None = None
    start: Switch = True
    start_timeout: Seconds | None = 30.0
    hang_timeout: Seconds | None = 30.0
