"""The page, in a real browser."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from civitas.runtime import Runtime
from civitas.supervision import Supervisor
from tests.core.web.conftest import TOKEN, Shared, crash, serving, text_of, unlock
from tests.core.web.team import NASTY, Worker

pytestmark = pytest.mark.asyncio(loop_scope="session")

PICTURES = os.environ.get("CIVITAS_WEB_PICTURES")
"""Where pictures of the page are left for the docs; by default none are made."""


@pytest.mark.promise(id="SEM-1753")
@pytest.mark.promise(id="SEM-1791")
async def test_the_page_shows_what_each_agent_does_and_what_happened(
    runtime: Runtime, serve: Callable[..., Any], page: Any
) -> None:
    for name in ("planner", "orders"):  # before anybody looks
        await crash(runtime, name, "the card was refused")
    await runtime.send("writer", None, message_type="hold")
    await runtime.ask(
        "refunds", "Refund 120 EUR to order 17?", message_type="question", conversation="order-17"
    )
    async with serve() as web:
        await page.goto(web.url)
        await text_of(page, "#state", "live")
        await text_of(page, ".row.busy", "read the invoices")
        await page.locator("#figures").get_by_role("button", name="writer").click()
        await text_of(page, "#drawer-title", "writer")
        await page.keyboard.press("Escape")
        await text_of(page, "#timeline li", "the card was refused")
        await text_of(page, "#runs", "waiting")
        await text_of(page, "#approvals", "Refund 120 EUR")
        await text_of(page, "#approvals", "Read-only")
        assert await page.locator("#key").is_hidden()
        await crash(runtime, "planner", "later, while somebody looks")
        await text_of(page, "#timeline li", "later, while somebody looks")


@pytest.mark.timeout(120)
@pytest.mark.skipif(not PICTURES, reason="CIVITAS_WEB_PICTURES names no folder for pictures")
async def test_pictures_of_the_page_are_taken_for_the_docs(page: Any) -> None:
    from tests.core.web.pictures import desk_at_work, take

    async with desk_at_work() as runtime, serving(runtime, token=TOKEN) as web:
        await unlock(page, web.url)
        await take(page, web.url, runtime, Path(PICTURES or ""))


@pytest.mark.promise(id="SEM-1792")
async def test_what_agents_and_users_wrote_is_text_on_the_page_and_does_not_break_it(
    runtime: Runtime, serve: Callable[..., Any], page: Any
) -> None:
    hostile = f"{NASTY}\"' </pre>\u202e \U0001f469\u200d\U0001f680 {'W' * 100_000}"
    await crash(runtime, "planner", hostile)
    await runtime.ask("refunds", hostile, message_type="question", conversation=hostile[:300])
    await runtime.send("writer", hostile[:300], message_type="hold")
    async with serve() as web:
        await page.set_viewport_size({"width": 360, "height": 740})
        await page.goto(web.url)
        await text_of(page, "#timeline li", "taken over")
        await text_of(page, "#approvals pre", "taken over")
        await text_of(page, ".row.busy", "taken over")
        assert await fits(page)
        await page.evaluate("location.hash = 'agent=planner'")
        await page.locator("#drawer summary").click()
        await text_of(page, "#drawer pre", "taken over")
        assert await fits(page)
        assert await page.title() == "support · Civitas"
        assert await page.locator("img, body script").count() == 0


@pytest.mark.promise(id="SEM-1793")
async def test_a_question_is_answered_by_a_click_once_the_token_is_given(
    runtime: Runtime, serve: Callable[..., Any], page: Any
) -> None:
    await runtime.ask("refunds", "Refund?", message_type="question", conversation="order-17")
    async with serve(token=TOKEN) as web:
        await unlock(page, web.url)
        await page.get_by_role("button", name="Approve").click()
        await page.locator("#approvals").wait_for(state="hidden")
        await text_of(page, "#runs", "done")


@pytest.mark.promise(id="SEM-1725")
@pytest.mark.promise(id="SEM-1729")
async def test_a_run_is_shown_with_its_cost_and_looked_into_with_its_steps(
    runtime: Runtime, serve: Callable[..., Any], page: Any
) -> None:
    await runtime.send("refunds", NASTY, message_type="hold", run=f"<b>{NASTY}")
    async with serve() as web:
        await page.set_viewport_size({"width": 360, "height": 740})
        await page.goto(web.url)
        await text_of(page, "#runs", "1 call, 1,200 → 300 tokens, $0.012")
        await page.locator("#runs .link").click()
        await text_of(page, "#drawer .steps", "taken over")
        await text_of(page, "#drawer .facts", "<b><img")
        assert await fits(page)
        assert await page.title() == "support · Civitas"
        await runtime.start_child("root", Worker("clerk", budget={"calls": 5, "usd": 0.5}))
        await page.evaluate("location.hash = 'agent=clerk'")
        await text_of(page, "[data-part=budgets]", "agent 'clerk' 5 of 5 calls, $0.5 of $0.5 left")


@pytest.mark.promise(id="SEM-1794")
async def test_the_page_is_worked_by_keyboard_and_fits_a_phone(shared: Shared, page: Any) -> None:
    await page.set_viewport_size({"width": 360, "height": 740})
    await page.emulate_media(reduced_motion="reduce")
    await page.goto(str(shared.client.base_url))
    await text_of(page, ".row", "planner")
    assert await fits(page)
    await page.keyboard.press("/")
    await page.keyboard.type("ord")
    await page.wait_for_function("document.querySelectorAll('.row').length === 1")
    await page.keyboard.press("Tab")
    await page.wait_for_function("document.activeElement.id === 'agents'")
    row = page.get_by_role("treeitem", name="orders")
    assert await row.get_attribute("aria-selected") == "true"
    await page.keyboard.press("Enter")
    await text_of(page, "#drawer .facts", "runs in")
    assert await fits(page)
    moves = "getComputedStyle(document.getElementById('drawer')).animationName !== 'none'"
    assert not await page.evaluate(moves)
    await page.keyboard.press("Escape")
    await page.wait_for_function("document.activeElement.id === 'agents'")


@pytest.mark.promise(id="SEM-1789")
async def test_the_page_has_the_colours_of_the_desktop_and_draws_its_figures_as_plots(
    shared: Shared, page: Any
) -> None:
    await page.goto(str(shared.client.base_url))
    await page.locator("#figures polyline").first.wait_for(state="attached")
    figures = "document.getElementById('figures').getElementsByTagName"
    assert await page.evaluate(f"{figures}('polyline').length === {figures}('dt').length")
    colours = set()
    for scheme in ("light", "dark"):
        await page.emulate_media(color_scheme=scheme)
        colours.add(await page.evaluate("getComputedStyle(document.body).backgroundColor"))
    assert len(colours) == 2


async def fits(page: Any) -> bool:
    """Whether nothing sticks out of the page, nor of what is looked into."""
    wider = "each => each && each.scrollWidth > Math.max(innerWidth, each.clientWidth)"
    places = "[document.documentElement, document.getElementById('drawer-body')]"
    return not await page.evaluate(f"{places}.some({wider})")


@pytest.mark.promise(id="SEM-1804")
async def test_of_many_agents_only_those_in_view_are_drawn(
    runtime: Runtime, serve: Callable[..., Any], page: Any
) -> None:
    crowd = Supervisor("crowd", [Worker(f"w{number}", shutdown_timeout=0) for number in range(120)])
    await runtime.start_child("root", crowd)
    await runtime.pause("w119")
    async with serve() as web:
        await page.goto(web.url)
        await text_of(page, ".row", "120 agents, 1 not running")
        rows = page.locator(".row")
        assert await rows.count() == 7
        await rows.filter(has_text="crowd").locator(".twist").click()
        await text_of(page, ".row", "w0")
        await page.locator("#agents").press("End")
        await text_of(page, ".row", "w119")
        assert await rows.count() < 60
        await page.locator("#search").fill("w11")
        await text_of(page, ".row.warn", "w119")
        assert await rows.count() == 11
