"""The HTTP edge of a program that does not lead: the one that leads answers its callers."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from civitas.edge import FindEdge
from civitas.edge.http import HttpEdge, HttpOptions
from civitas.edge.http.ahead import Ahead, reached_at
from civitas.edge.http.serving import listen
from tests.core.edge.poets import PLAIN, WORDS, Poet, running

ASK = "/agents/poet/ask"
STREAM = "/agents/poet/stream"
NOBODY: dict[str, Any] = {}


def at(where: Mapping[str, Any] | None = None) -> FindEdge:
    async def find() -> Mapping[str, Any]:
        return where or NOBODY

    return find


@asynccontextmanager
async def standing_by(find: FindEdge, **keys: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an edge that stands by."""
    edge = HttpEdge(HttpOptions(port=0, **keys))
    url = await edge.stand_by(find)
    try:
        async with httpx.AsyncClient(base_url=url, verify=PLAIN, timeout=10) as client:
            yield client
    finally:
        await edge.close()


@pytest.mark.promise(id="SEM-1815")
async def test_a_caller_gets_the_answer_of_the_one_that_leads_and_keeps_its_connection() -> None:
    async with running() as (_, edge), standing_by(at(edge.reached_at)) as client:
        answer = await client.post(ASK, json={"payload": {"input": "é"}})
        assert answer.json()["payload"]["got"] == "é"
        assert answer.headers.get("connection") != "close"
        assert (await client.get("/v1/models")).json()["data"][0]["id"] == "poet"
        assert (await client.get("/runs/none")).status_code == 404


@pytest.mark.promise(id="SEM-1815")
async def test_a_stream_is_rejoined_by_any_of_the_edges() -> None:
    async with running() as (_, edge), standing_by(at(edge.reached_at)) as client:
        whole = await client.post(STREAM, json={"payload": {"input": ""}, "run": "r"})
        assert all(word in whole.text for word in WORDS)
        for url in (str(client.base_url), edge.url):
            rejoined = await client.get(f"{url}/runs/r/events", headers={"Last-Event-ID": "2"})
            assert "id: 3" in rejoined.text
            assert "id: 2" not in rejoined.text


@pytest.mark.promise(id="SEM-1815")
async def test_the_one_that_leads_hears_that_a_caller_has_left() -> None:
    Poet.left.clear()
    async with running() as (_, edge), standing_by(at(edge.reached_at)) as client:
        async with client.stream("POST", STREAM, json={"payload": {"input": "wait"}}) as answer:
            await anext(answer.aiter_lines())
        while not Poet.left:
            await asyncio.sleep(0.001)


@pytest.mark.promise(id="SEM-1815")
async def test_it_is_ready_when_it_reaches_the_one_that_leads() -> None:
    async with running() as (_, edge), standing_by(at(edge.reached_at)) as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()) == (200, {"status": "stands by"})
        assert (await client.get("/livez")).json() == {"status": "live"}
        assert "civitas_agent_up" not in (await client.get("/metrics")).text
        gone = edge.reached_at
    for where, why in ((NOBODY, "the root that leads"), (gone, f"at 127.0.0.1:{edge.port},")):
        async with standing_by(at(where)) as client:
            answer = await client.get("/readyz")
            assert answer.status_code == 503
            assert f"{why} does not answer" in answer.json()["why"]


@pytest.mark.promise(id="SEM-1815")
async def test_it_is_ready_while_the_one_that_leads_has_not_started() -> None:
    """So that another version may take its place, where it never does."""
    async with standing_by(at(reached_at("127.0.0.1", 0, is_open=False))) as client:
        assert (await client.get("/readyz")).status_code == 200


@pytest.mark.promise(id="SEM-1815")
async def test_a_caller_must_show_the_token_before_anybody_else_is_asked() -> None:
    async with standing_by(at(), token="t") as client:
        assert (await client.post(ASK, json={})).status_code == 401


@pytest.mark.promise(id="SEM-1815")
async def test_whoever_comes_while_nobody_leads_waits_and_is_answered_by_the_one_that_does() -> (
    None
):
    edge = HttpEdge(HttpOptions(port=0))
    url = await edge.stand_by(at())
    async with httpx.AsyncClient(base_url=url, verify=PLAIN) as client, running() as (behind, _):
        asking = asyncio.create_task(client.post(ASK, json={}))
        while not edge._gate or not edge._gate.successor or not edge._gate.successor._under_way:
            await asyncio.sleep(0)
        await edge.open(behind)
        assert (await asking).status_code == 200
        assert (await client.post(ASK, json={})).status_code == 200
        assert (await client.get("/readyz")).json() == {"status": "ready"}
    await edge.close()


@pytest.mark.promise(id="SEM-1815")
async def test_an_edge_that_only_another_machine_reaches_is_said_at_once() -> None:
    where = {**reached_at("127.0.0.1", 8700), "on": "another machine"}
    async with standing_by(at(where)) as client:
        for answer in (await client.post(ASK, json={}), await client.get("/readyz")):
            assert answer.status_code == 503
            assert "listens at 127.0.0.1, which only that machine reaches" in answer.text


@pytest.mark.promise(id="SEM-1815")
async def test_a_caller_hears_that_the_one_that_leads_has_ended_before_it_answered() -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    where = reached_at("127.0.0.1", server.sockets[0].getsockname()[1])
    async with server, standing_by(at(where)) as client:
        answer = await client.post(ASK, json={})
        assert answer.status_code == 503
        assert "it ended before it had answered" in answer.text


async def test_edges_that_take_each_other_for_the_one_that_leads_say_so() -> None:
    other = HttpEdge(HttpOptions(port=0))

    async def find() -> Mapping[str, Any]:
        return other.reached_at

    async with standing_by(find) as client:
        url = client.base_url
        await other.stand_by(at(reached_at("127.0.0.1", url.port or 0)))
        answer = await client.post(ASK, json={})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "stopping")
    await other.close()


@pytest.mark.promise(id="SEM-1815")
async def test_one_that_passes_on_has_the_next_one_answer_who_still_comes() -> None:
    async with running() as (_, old), running() as (_, new):
        old.follow(at(new.reached_at))
        await old.close_door()
        async with httpx.AsyncClient(base_url=old.url, verify=PLAIN) as client:
            answer = await client.post(ASK, json={})
            assert (answer.status_code, answer.headers["connection"]) == (200, "close")
        await old.handed_on()


@pytest.mark.promise(id="SEM-1815")
async def test_what_one_that_passes_on_still_answers_ends_its_connection() -> None:
    async with (
        running() as (_, edge),
        httpx.AsyncClient(base_url=edge.url, verify=PLAIN) as client,
    ):
        answer = await client.get("/v1/models")
        assert answer.headers.get("connection") != "close"
        await edge.close_door()
        assert (await client.get("/v1/models")).headers["connection"] == "close"


@pytest.mark.promise(id="SEM-1833")
async def test_it_leaves_its_address_to_a_next_one_on_the_same_machine_which_waits_for_that() -> (
    None
):
    async with running() as (behind, old):
        new = HttpEdge(HttpOptions(port=old.port))
        assert await new.stand_by(at()) == ""
        opening = asyncio.create_task(new.open(behind))
        await asyncio.sleep(0)
        old.follow(at(new.reached_at))
        await asyncio.wait_for(opening, 10)
        async with httpx.AsyncClient(base_url=new.url, verify=PLAIN) as client:
            assert (await client.post(ASK, json={})).status_code == 200
        await new.close()
        listen("another program", old.options.host, old.port).close()


@pytest.mark.promise(id="SEM-1815")
async def test_that_the_machine_of_the_one_that_leads_is_lost_is_noticed_while_it_answers() -> None:
    async with running() as (_, edge):
        found = await Ahead(at(edge.reached_at)).connect()
        assert found is not None
        connection = found[1].get_extra_info("socket")
        found[1].close()
        assert connection.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 5
