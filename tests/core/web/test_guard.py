"""Who may read the page of a system, and who may act."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from civitas.control import ControlClient, ControlServer
from civitas.errors import ConfigurationError
from civitas.runtime import Runtime
from civitas.topology.state_folder import open_state_folder
from civitas.web import Web, feed
from tests.core.web.conftest import KEY, TOKEN, Shared

pytestmark = pytest.mark.asyncio(loop_scope="session")

ACT = json.dumps({"do": "cancel", "run": "no such run"})
JSON = {"content-type": "application/json"}


@pytest.mark.promise(id="SEM-1795")
async def test_without_a_token_nobody_acts(serve: Callable[..., Any]) -> None:
    async with serve() as web, httpx.AsyncClient(base_url=web.url) as client:
        refused = await client.post("api/act", content=ACT, headers=JSON)
        assert refused.status_code == 403
        assert "--token" in refused.json()["error"]


@pytest.mark.promise(id="SEM-1795")
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (JSON, 401),
        ({**JSON, "authorization": "Bearer guess"}, 401),
        ({**JSON, **KEY, "origin": "http://evil.example"}, 403),
        ({**JSON, **KEY, "origin": "null"}, 403),
        ({**JSON, **KEY, "sec-fetch-site": "cross-site"}, 403),
        ({**JSON, **KEY, "host": "evil.example"}, 421),
        ({**KEY, "content-type": "text/plain"}, 415),
        ({**JSON, **KEY}, 200),
    ],
)
async def test_an_action_that_may_be_forged_is_refused(
    shared: Shared, headers: dict[str, str], status: int
) -> None:
    answer = await shared.client.post("api/act", content=ACT, headers=headers)
    assert answer.status_code == status, answer.text


@pytest.mark.promise(id="SEM-1796")
@pytest.mark.parametrize("path", ["", "api/about", "static/main.js"])
async def test_a_name_that_was_made_to_lead_here_reads_nothing(shared: Shared, path: str) -> None:
    assert (await shared.client.get(path)).status_code == 200
    assert (await shared.client.get(path, headers={"host": "evil.example"})).status_code == 421


@pytest.mark.promise(id="SEM-1796")
async def test_the_browser_may_run_only_the_scripts_of_the_page(shared: Shared) -> None:
    policy = (await shared.client.get("")).headers["content-security-policy"]
    assert "default-src 'none'; script-src 'self'" in policy
    assert "unsafe" not in policy


@pytest.mark.promise(id="SEM-1797")
async def test_off_loopback_readers_need_the_token_too(serve: Callable[..., Any]) -> None:
    async with serve(host="0.0.0.0", token=TOKEN) as web:
        url = web.url.replace("0.0.0.0", "127.0.0.1")
        async with httpx.AsyncClient(base_url=url) as client:
            assert (await client.get("api/about")).status_code == 401
            assert (await client.get("api/about", headers=KEY)).json() == {"acts": True}


@pytest.mark.promise(id="SEM-1797")
async def test_off_loopback_it_is_not_served_without_a_token() -> None:
    with pytest.raises(ConfigurationError, match="give a token"):
        Web(cast("Any", None), host="0.0.0.0")


@pytest.mark.promise(id="SEM-1798")
async def test_the_system_is_looked_at_only_while_somebody_watches(
    runtime: Runtime, serve: Callable[..., Any]
) -> None:
    async with serve() as web, httpx.AsyncClient(base_url=web.url) as client:

        def looks() -> bool:
            return web._feed._looking is not None

        assert not looks()
        async with client.stream("GET", "api/events") as response:
            line = await anext(response.aiter_lines())
            assert json.loads(line.removeprefix("data: "))["system"] == "support"
            assert looks()
        while looks():
            await client.get("api/about")


@pytest.mark.promise(id="SEM-1806")
async def test_the_page_outlives_the_system_and_shows_it_again_when_it_is_back(
    runtime: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "EVERY", 0.01)
    open_state_folder(folder := tmp_path / "support")
    async with (
        Web(lambda: ControlClient("support", folder), port=0) as web,
        httpx.AsyncClient(base_url=web.url) as client,
        client.stream("GET", "api/events") as response,
    ):
        told = (json.loads(each[6:]) async for each in response.aiter_lines() if each)
        assert "not running" in (await anext(told))["down"]
        for _ in range(2):
            async with ControlServer(runtime, folder):
                while "down" in (found := await anext(told)):
                    pass
                assert found["whole"]
                assert {each["name"] for each in found["agents"]} > {"planner", "desk"}
            while "down" not in await anext(told):
                pass
