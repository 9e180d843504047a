"""The page, in a real browser."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from civitas.runtime import Runtime
from tests.core.web.conftest import TOKEN, crash, text_of, unlock
from tests.core.web.team import NASTY

pytestmark = pytest.mark.asyncio(loop_scope="session")

PICTURES = os.environ.get("CIVITAS_WEB_PICTURES")
"""Where pictures of the page are left for the docs; by default none are made."""


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
        await text_of(page, "#timeline li", "the card was refused")
        await text_of(page, "#runs", "waiting")
        await text_of(page, "#approvals", "Refund 120 EUR")
        await text_of(page, "#approvals", "Read-only")
        assert await page.locator("#key").is_hidden()
        await crash(runtime, "planner", "later, while somebody looks")
        await text_of(page, "#timeline li", "later, while somebody looks")
        if PICTURES:
            await take_pictures(page, Path(PICTURES))


async def take_pictures(page: Any, folder: Path) -> None:
    for name, scheme, width, height in (
        ("light", "light", 1280, 900), ("dark", "dark", 1280, 900), ("phone", "light", 390, 844)
    ):  # fmt: skip
        await page.emulate_media(color_scheme=scheme)
        await page.set_viewport_size({"width": width, "height": height})
        await page.wait_for_function("document.querySelectorAll('.row').length > 3")
        await page.screenshot(path=folder / f"web-{name}.png", full_page=name == "phone")


@pytest.mark.promise(id="SEM-1792")
async def test_what_agents_and_users_wrote_is_text_on_the_page(
    runtime: Runtime, serve: Callable[..., Any], page: Any
) -> None:
    await crash(runtime, "planner", NASTY)
    await runtime.ask("refunds", NASTY, message_type="question", conversation=NASTY)
    async with serve() as web:
        await page.goto(web.url)
        await text_of(page, "#timeline li", "taken over")
        await text_of(page, "#approvals pre", "taken over")
        assert await page.title() == "support · Civitas"
        assert await page.locator("img, main script").count() == 0


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


@pytest.mark.promise(id="SEM-1794")
async def test_the_page_is_worked_by_keyboard_and_fits_a_phone(
    serve: Callable[..., Any], page: Any
) -> None:
    async with serve() as web:
        await page.set_viewport_size({"width": 360, "height": 740})
        await page.goto(web.url)
        await text_of(page, ".row", "planner")
        wider = "document.documentElement.scrollWidth > innerWidth"
        assert not await page.evaluate(wider)
        await page.keyboard.press("/")
        await page.keyboard.type("ord")
        await page.wait_for_function("document.querySelectorAll('.row').length === 1")
        await page.keyboard.press("Tab")
        await page.wait_for_function("document.activeElement.id === 'agents'")
        row = page.get_by_role("treeitem", name="orders")
        assert await row.get_attribute("aria-selected") == "true"
