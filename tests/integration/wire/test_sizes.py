"""Messages that are too large to travel: small enough in MessagePack, and not in JSON."""

from __future__ import annotations

import pytest

from tests.integration.wire.conftest import System, everywhere, topology

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOPOLOGY = topology(
    *everywhere("big", "Large"),
    *everywhere("sure", delivery="at_least_once"),
    serializer="json",
)


@pytest.mark.promise(id="SEM-1135")
@pytest.mark.parametrize(
    ("sender", "how", "to"),
    [
        ("r_big", "ask", "w_one"),
        ("w_big", "send", "r_one"),
        ("w_big", "send", "v_sure"),
        ("w_big", "send", "w_sure"),
    ],
)
async def test_what_cannot_travel_is_refused_before_it_is_queued(
    system: System, sender: str, how: str, to: str
) -> None:
    """It is the sender's error, and keeps nobody else from the agent."""
    found = await system.tell(sender, "large", {"to": to, "how": how})
    assert found["error"] == "PayloadError"
    assert "travel between OS processes" in found["text"]
    assert await system.tell(to, "echo", "small") == "small"


@pytest.mark.promise(id="SEM-1135")
async def test_a_reply_that_cannot_travel_is_a_failure_of_its_handler(system: System) -> None:
    found = await system.ask("r_one", "w_big", None, "large_reply")
    assert (found["error"], found["facts"]["error_type"]) == ("HandlerFailed", "PayloadError")
