"""The mark of a message that was a dead letter."""

from __future__ import annotations

__all__ = ["REPLAY"]

REPLAY = "civitas-replay"
"""The header of a message that was a dead letter: how often it was put into its mailbox again."""
