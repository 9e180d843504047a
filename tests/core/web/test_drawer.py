"""What the page shows of one agent and of one conversation, and what may be done there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from civitas.frameworks.conversations import Record, key_of
from civitas.runtime import Runtime
from civitas.supervision import ConversationPool
from civitas.web import application
from tests.core.web.conftest import KEY, TOKEN, Shared, crash, text_of, unlocked
from tests.core.web.team import NASTY, Worker

pytestmark = pytest.mark.asyncio(loop_scope="session")

TALK = [
    {"role": "user", "content": f"Where is order 17? {NASTY}"},
    {"type": "function_call", "call_id": "1", "name": "find_order", "arguments": '{"order": 17}'},
    {"type": "function_call_output", "call_id": "1", "output": "shipped on Monday"},
    {"role": "assistant", "content": [{"type": "output_text", "text": "It left on Monday."}]},
]


@pytest.mark.promise(id="SEM-1800")
async def test_an_agent_is_looked_into_by_keyboard_and_the_address_leads_back_to_it(
    runtime: Runtime, serve: Callable[..., Any], page: Any
) -> None:
    await crash(runtime, "planner", "the card was refused")
    await runtime.send("planner", None, message_type="hold")
    async with serve() as web:
        await page.goto(web.url)
        await text_of(page, ".row.busy", "planner")
        await page.locator("#agents").focus()
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
        await text_of(page, "#drawer-title", "planner")
        await text_of(page, "#drawer .facts", "read the invoices")
        await text_of(page, "#drawer summary", "ValueError: the card was refused")
        await text_of(page, "[data-part=stack] pre", "handle")
        assert await page.locator("#drawer .actions").count() == 0
        await page.reload()
        await text_of(page, "#drawer .facts", "read the invoices")
        await page.keyboard.press("Escape")
        await page.locator("#drawer").wait_for(state="hidden")


@pytest.mark.promise(id="SEM-1801")
async def test_an_agent_is_paused_restarted_and_stopped_by_click(
    runtime: Runtime, serve: Callable[..., Any], page: Any
) -> None:
    async with serve(token=TOKEN) as web:
        await unlocked(page, web.url)
        await page.get_by_role("treeitem", name="orders").click()
        drawer = page.locator("#drawer")
        await drawer.get_by_role("button", name="Pause").click()
        await drawer.get_by_role("button", name="Resume").click()
        await drawer.get_by_role("button", name="Restart").click()
        await drawer.get_by_role("button", name="Really restart?").click()
        await text_of(page, "#drawer .facts", "restarts1")
        await text_of(page, "#toast", "orders restarted")
        await drawer.get_by_role("button", name="Stop").click()
        await drawer.get_by_role("button", name="Really stop?").click()
        await drawer.get_by_role("button", name="Start", exact=True).click()
        await drawer.get_by_role("button", name="Stop").wait_for()
    acted = [each.message for each in runtime.timeline() if each.type == "acted"]
    done = ["pause", "resume", "restart", "stop", "start"]
    assert acted == [f"{each} of 'orders' by the web page" for each in done]


@pytest.mark.promise(id="SEM-1801")
@pytest.mark.parametrize("what", ["restart", "stop", "pause", "cancel", "answer", "replay"])
async def test_nothing_is_done_without_the_token(shared: Shared, what: str) -> None:
    refused = await shared.client.post("api/act", json={"do": what, "agent": "orders"})
    assert refused.status_code == 401
    assert not shared.runtime.timeline()


async def test_an_action_on_nobody_says_so(shared: Shared) -> None:
    wanted = {"do": "stop", "agent": "n\0body"}
    answer = await shared.client.post("api/act", json=wanted, headers=KEY)
    assert answer.status_code == 409
    assert "n\\x00body" in answer.json()["error"]


@pytest.mark.promise(id="SEM-1802")
async def test_a_conversation_is_shown_as_messages_with_its_open_question(
    shared: Shared, page: Any
) -> None:
    question = {"id": "q1", "value": "Refund 120 EUR?"}
    talk = Record(history=TALK, interrupts=[question])
    await talk.keep(shared.runtime._node.store, key_of("refunds", "order/17"))
    await page.goto(f"{shared.client.base_url}#agent=refunds")
    await page.get_by_role("button", name="order/17").click()
    await text_of(page, ".said.mine .text", "Where is order 17? <img")
    await page.get_by_text("calls find_order").click()
    await text_of(page, ".call pre", '{"order": 17}')
    await text_of(page, ".said.tool", "shipped on Monday")
    await text_of(page, ".said.theirs .text", "It left on Monday.")
    await text_of(page, ".said.asks", "Refund 120 EUR?")
    await page.go_back()
    await text_of(page, "#drawer .facts", "runs in")


@pytest.mark.promise(id="SEM-1802")
async def test_a_conversation_of_a_pool_is_reached_from_its_agent(
    shared: Shared, page: Any
) -> None:
    await shared.runtime.start_child("root", ConversationPool("customers", Worker("template")))
    await shared.runtime.ask("customers", "hello", conversation="c1")
    await Record(history=TALK).keep(shared.runtime._node.store, key_of("customers", "c1"))
    await page.goto(f"{shared.client.base_url}#agent=customers/c1")
    await page.get_by_role("button", name="Read the conversation").click()
    await text_of(page, ".said.theirs .text", "It left on Monday.")
    await page.get_by_role("button", name="customers/c1").click()
    await text_of(page, "#drawer .facts", "runs in")


async def test_of_a_long_conversation_the_newest_messages_are_told(shared: Shared) -> None:
    said = [{"role": "user", "content": str(i)} for i in range(999)]
    await Record(history=[*said, {"role": "user", "content": "x" * 100_000}]).keep(
        shared.runtime._node.store, key_of("refunds", "long")
    )
    told = await shared.client.get("api/conversation", params={"name": "refunds/long"})
    found = told.json()["ok"]
    assert found["earlier"] == 800
    assert [each["text"] for each in found["messages"][:2]] == ["800", "801"]
    assert found["messages"][-1]["text"].endswith("x… (80,000 more characters)")


async def test_what_json_has_no_form_for_is_shown_as_text(shared: Shared) -> None:
    odd = {"ratio": float("nan"), "raw": b"\xff"}
    await shared.runtime.send("orders", odd, message_type="keep")
    await shared.runtime.ask("orders", None)
    told = await shared.client.get("api/agent", params={"name": "orders"})
    state = told.json()["ok"]["state"]
    assert '"ratio": "nan"' in state
    assert '"raw": "0xff"' in state


@pytest.mark.promise(id="SEM-1805")
async def test_a_dead_letter_is_looked_into_sent_again_and_forgotten(
    runtime: Runtime, serve: Callable[..., Any], page: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "_LETTERS", 1)
    for name in ("orders", "planner"):
        await crash(runtime, name, NASTY)
    async with serve(token=TOKEN) as web:
        await unlocked(page, web.url)
        await page.locator("#letters").scroll_into_view_if_needed()
        await text_of(page, "#letters .rest", "the newest 1 of 2")
        [first, _] = await runtime.dead_letters()
        await runtime.drop(first.number)
        row = page.locator(".letters li", has_text="planner")
        await row.get_by_role("button", name="planner", exact=True).click()
        await text_of(page, "#drawer .facts", "crashed")
        await text_of(page, "#drawer pre", "taken over")
        before = [each.name for each in runtime.timeline() if each.type == "crashed"]
        await page.locator("#drawer").get_by_role("button", name="Send again").click()
        await text_of(page, "#timeline-counts", f"crash {len(before) + 1}")
        [letter] = await runtime.dead_letters()
        assert letter.replays == 1
        await row.get_by_role("button", name="Forget").click()
        await row.get_by_role("button", name="Really forget?").click()
        await text_of(page, "#letters", "None: every message")
    assert await runtime.dead_letters() == []
