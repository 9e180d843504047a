"""A running system with its control socket, the page that shows it, and a browser."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio

from civitas.control import ControlClient, ControlServer
from civitas.models import ModelResponse
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore
from civitas.supervision import Supervisor
from civitas.testing import ScriptedModel
from civitas.topology.state_folder import open_state_folder
from civitas.web import Web, feed
from tests.core.web.team import Worker
from tests.guards import sockets

TOKEN = "let me in"
KEY = {"authorization": f"Bearer {TOKEN}"}


@asynccontextmanager
async def team() -> AsyncIterator[Runtime]:
    """A small team at work."""
    desk = Supervisor(
        "desk",
        [
            Worker("refunds", delivery="durable", shutdown_timeout=0),
            Worker("orders", shutdown_timeout=0),
        ],
    )
    root = Supervisor(
        "root",
        [Worker("planner", shutdown_timeout=0), Worker("writer", shutdown_timeout=0), desk],
        backoff="none",
        max_restarts=50,
    )
    async with Runtime(
        root,
        name="support",
        drain_timeout=0,
        state_store=InMemoryStateStore(),
        model_provider=ScriptedModel([ModelResponse("It is.", "m", 1200, 300, 0.012)], repeat=True),
    ) as runtime:
        yield runtime


@pytest_asyncio.fixture(loop_scope="session")
async def runtime() -> AsyncIterator[Runtime]:
    async with team() as runtime:
        yield runtime


@dataclass(frozen=True)
class Shared:
    """A team and its page, for tests that change nothing that another looks at.

    Attributes:
        runtime: The team.
        client: Asks its page, which has a token.
    """

    runtime: Runtime
    client: httpx.AsyncClient


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def served() -> AsyncIterator[tuple[Runtime, Web]]:
    async with team() as runtime, serving(runtime, token=TOKEN) as web:
        yield runtime, web


@pytest_asyncio.fixture(loop_scope="session")
async def shared(served: tuple[Runtime, Web]) -> AsyncIterator[Shared]:
    """What is shared, with a client of this test's own."""
    runtime, web = served
    before = sockets()
    async with httpx.AsyncClient(base_url=web.url, verify=False) as client:
        yield Shared(runtime, client)
    async with asyncio.timeout(
        5
    ):  # the other ends are closed by this loop, which stands still between tests
        while sockets() - before:
            await asyncio.sleep(0)


@pytest.fixture
def serve(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Serve the page of the runtime; arguments as of `Web`."""
    monkeypatch.setattr(feed, "EVERY", 0.1)
    return partial(serving, runtime)


@asynccontextmanager
async def serving(runtime: Runtime, **options: Any) -> AsyncIterator[Web]:
    """Serve the page of a runtime; arguments as of `Web`."""
    with tempfile.TemporaryDirectory() as above:
        folder = Path(above) / runtime.name
        open_state_folder(folder)

        def reach() -> ControlClient:
            return ControlClient(runtime.name, folder)

        async with (
            ControlServer(runtime, folder),
            Web(reach, **{"port": 0, **options}) as web,
        ):
            yield web


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def browser() -> AsyncIterator[Any]:
    """A real headless Chromium, for all tests of the page; CI has one."""
    chromium = shutil.which("chromium")
    if chromium is None:
        if os.environ.get("CIVITAS_BROWSER") == "required":
            pytest.fail("the tests of the page need Debian's chromium: apt-get install chromium")
        pytest.skip("there is no chromium here: apt-get install chromium")
    async_api = pytest.importorskip("playwright.async_api")
    async with async_api.async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Any) -> AsyncIterator[Any]:
    """A page with nothing left of other tests; no script of it may fail, or be refused by the policy."""
    async with await browser.new_context() as context:
        page = await context.new_page()
        page.set_default_timeout(8000)
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda said: faults.append(said.text) if "Policy" in said.text else None)
        yield page
        assert not faults


async def crash(runtime: Runtime, name: str, text: str) -> None:
    """Let an agent crash, and wait until it is back."""
    back = asyncio.Event()
    end = runtime.on("restarted", lambda event: back.set())
    await runtime.send(name, text, message_type="crash")
    await asyncio.wait_for(back.wait(), 5)
    end()


async def text_of(page: Any, selector: str, wanted: str) -> None:
    """Wait until what is there says so."""
    await page.locator(selector, has_text=wanted).first.wait_for()


async def unlocked(page: Any, url: str) -> None:
    """Open the page as somebody who has given it the token before."""
    await page.add_init_script(f"sessionStorage.setItem('civitas-token', '{TOKEN}')")
    await page.goto(url)


async def unlock(page: Any, url: str) -> None:
    """Open the page, and give it the token."""
    await page.goto(url)
    await page.get_by_role("button", name="Unlock actions").click()
    await page.locator("#token").fill(TOKEN)
    await page.locator("#token").press("Enter")
    await page.locator("#key").wait_for(state="hidden")
