"""A running system with its control socket, the page that shows it, and a browser."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from civitas.control import ControlClient, ControlServer
from civitas.runtime import Runtime
from civitas.state import InMemoryStateStore
from civitas.supervision import Supervisor
from civitas.topology.place import open_state_folder
from civitas.web import Web
from tests.core.web.team import Worker

TOKEN = "let me in"


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
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
        root, name="support", drain_timeout=0, state_store=InMemoryStateStore()
    ) as runtime:
        yield runtime


@pytest.fixture
async def serve(runtime: Runtime) -> AsyncIterator[Callable[..., Any]]:
    """Serve the page of the runtime; arguments as of `Web`."""
    with tempfile.TemporaryDirectory() as above:
        folder = Path(above) / "support"
        open_state_folder(folder)
        async with ControlServer(runtime, folder):

            @asynccontextmanager
            async def served(**options: Any) -> AsyncIterator[Web]:
                def reach() -> ControlClient:
                    return ControlClient("support", folder)

                async with Web(reach, **{"port": 0, **options}) as web:
                    yield web

            yield served


@pytest.fixture
async def page() -> AsyncIterator[Any]:
    """A page of a real headless Chromium; CI has one."""
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
        page = await browser.new_page()
        page.set_default_timeout(8000)
        yield page
        await browser.close()


async def crash(runtime: Runtime, name: str, text: str) -> None:
    """Let an agent crash, and wait until it is back."""
    back = asyncio.Event()
    end = runtime.on("restarted", lambda event: back.set())
    await runtime.send(name, text, message_type="crash")
    await asyncio.wait_for(back.wait(), 5)
    end()
