"""What a process is doing, as `runtime.tree()` shows it."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Status"]


class Status(StrEnum):
    """The life of a name, from its first start to its last end."""

    STARTING = "starting"
    """Its `on_start` runs, or waits its turn."""
    RUNNING = "running"
    """It handles messages."""
    RESTARTING = "restarting"
    """It is down and will be started again; messages wait in its mailbox."""
    STOPPING = "stopping"
    """It was asked to end and finishes what it handles."""
    STOPPED = "stopped"
    """It ended and its supervisor keeps it; `restart_child` starts it again."""
    TERMINATED = "terminated"
    """It ended for good: its supervisor gave up or was stopped."""
