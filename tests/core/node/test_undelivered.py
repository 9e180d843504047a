"""Why a message that nobody waits for is a dead letter."""

from __future__ import annotations

import pytest

from civitas.errors import (
    AgentTerminated,
    DeliveryError,
    MailboxFull,
    NodeDown,
    NotStored,
    UnknownAgent,
)
from civitas.node.dead.letters import reason_of


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UnknownAgent("a"), "unknown"),
        (NodeDown("a", "w"), "node_down"),
        (MailboxFull("a", 1, 30.0), "expired"),
        (NotStored("a", "the stream is full"), "expired"),
        (AgentTerminated("a"), "terminated"),
    ],
)
def test_each_refusal_has_its_reason(error: DeliveryError, reason: str) -> None:
    assert reason_of(error) == reason
