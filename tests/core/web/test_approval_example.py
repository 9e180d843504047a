"""The example `human-approval`, whose questions are answered on the page."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from civitas.runtime import Runtime
from tests.core.web.conftest import TOKEN, serving, text_of, unlock
from tests.house.project import ROOT

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(not find_spec("langgraph"), reason="needs langgraph"),
    pytest.mark.timeout(60),
]
TOPOLOGY = ROOT / "examples" / "human-approval" / "topology.yaml"
ORDER = {"order": "1002", "amount": 120}


@pytest.fixture
def refunds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Runtime]:
    """Starts the program of the example again and again, on one state file."""
    monkeypatch.setenv("DATA", str(tmp_path))
    return lambda: Runtime.from_config(TOPOLOGY)


async def ask(runtime: Runtime, order: dict[str, Any]) -> Any:
    key = f"order-{order['order']}"
    reply = await runtime.ask("refunds", order, conversation=key, run=key)
    return reply.type, reply.payload


async def test_a_question_of_the_example_outlives_its_program_and_is_answered_by_a_click(
    refunds: Callable[[], Runtime], page: Any
) -> None:
    async with refunds() as runtime:
        kind, question = await ask(runtime, ORDER)
        assert kind == "interrupt"
        assert question["interrupts"][0]["value"] == "Refund 120 EUR to order 1002?"
    async with refunds() as runtime, serving(runtime, token=TOKEN) as web:
        await unlock(page, web.url)
        await text_of(page, "#approvals", "Refund 120 EUR to order 1002?")
        await page.get_by_role("button", name="Approve").click()
        await page.locator("#approvals").wait_for(state="hidden")
        await text_of(page, "#runs", "done")
        small = {"order": "1003", "amount": 5}
        assert await ask(runtime, small) == (
            "reply",
            {**small, "outcome": "5 EUR are on their way"},
        )
