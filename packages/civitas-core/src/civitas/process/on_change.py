"""`OnChange`: what becomes of a durable run whose code has changed since it began."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["OnChange"]


class OnChange(StrEnum):
    """What becomes of a run whose code has changed."""

    REFUSE = "refuse"
    """It stays as it is; whoever waits for it is told what differs."""
    GO_ON = "go_on"
    """It goes on from its last step."""
    RESTART = "restart"
    """What it did is forgotten, and its message is handled from the beginning."""
