"""Requests on connections that were kept open, while another version of the program takes the edge over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from civitas import ConfigurationError, Runtime, Supervisor
from civitas.edge.http import HttpEdge, HttpOptions
from civitas.edge.http.serving import listen
from civitas.node.next_program import Alone
from civitas.runtime.callers import Callers
from tests.core.edge.poets import PLAIN, WORDS, Poet, patiently, running

ASK = "/agents/poet/ask"


@asynccontextmanager
async def next_version(old: HttpEdge) -> AsyncIterator[None]:
    """Another system that goes on with the socket of an edge."""
    edge = HttpEdge(HttpOptions(port=0))
    assert old.listener is not None
    edge.listener = old.listener.dup()
    async with Runtime(
        Supervisor("root", children=[Poet("poet", cancel_on_timeout=True)]), edges=[edge]
    ):
        yield


@pytest.mark.promise(id="SEM-1809")
async def test_a_request_on_a_connection_that_was_kept_open_is_answered_by_the_next_version():
    async with running() as (_, edge), httpx.AsyncClient(base_url=edge.url, verify=PLAIN) as client:
        await client.post(ASK, json={})
        edge.let_go()
        asking = asyncio.create_task(client.post(ASK, json={"payload": {"input": "é"}}))
        await asyncio.sleep(0)
        async with next_version(edge):
            await edge.close_door()
            answer = await asking
            assert answer.json()["payload"]["got"] == "é"
            assert answer.headers["connection"] == "close"
            assert len(answer.headers.get_list("date")) == 1
            assert (await client.get("/v1/models")).headers.get("connection") != "close"
        await edge.handed_on()


@pytest.mark.promise(id="SEM-1809")
async def test_a_stream_is_handed_on_part_by_part_and_ends_when_its_reader_leaves():
    Poet.left.clear()
    async with running() as (_, edge), httpx.AsyncClient(base_url=edge.url, verify=PLAIN) as client:
        await client.get("/livez")
        edge.let_go()
        async with next_version(edge):
            body = {"payload": {"input": "wait"}}
            async with client.stream("POST", "/agents/poet/stream", json=body) as answer:
                assert answer.headers["content-type"].startswith("text/event-stream")
                await anext(answer.aiter_lines())
            await edge.handed_on()
            while not Poet.left:
                await asyncio.sleep(0.001)
            whole = await client.post("/agents/poet/stream", json={"payload": {"input": ""}})
            assert all(word in whole.text for word in WORDS)


@pytest.mark.promise(id="SEM-1809")
async def test_a_request_that_no_next_version_takes_is_refused_and_may_be_made_again():
    async with (
        patiently(0.2) as edge,
        httpx.AsyncClient(base_url=edge.url, verify=PLAIN) as client,
    ):
        await client.get("/livez")
        edge.let_go()
        assert edge.listener is not None
        edge.listener.close()
        answer = await client.post(ASK, json={})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "stopping")
        assert "nobody listened within 0.2 s" in answer.text


@pytest.mark.promise(id="SEM-1809")
async def test_a_request_that_names_no_host_is_refused_and_may_be_made_again():
    async with running(token="t") as (_, edge):
        host, port = edge.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        edge.let_go()
        writer.write(b"GET /v1/models HTTP/1.0\r\nAuthorization: Bearer t\r\n\r\n")
        assert b"503 Service Unavailable" in await reader.read()
        writer.close()


@pytest.mark.promise(id="SEM-1479")
@pytest.mark.parametrize("streams", [False, True])
async def test_an_old_version_that_is_stopped_waits_no_longer_for_what_it_handed_on(streams: bool):
    Poet.began.clear()
    released = asyncio.Event()

    async def release() -> None:
        released.set()

    async with (
        running() as (runtime, edge),
        httpx.AsyncClient(base_url=edge.url, verify=PLAIN) as client,
    ):
        await client.get("/livez")
        passing = asyncio.create_task(runtime._life.pass_on(5, release))
        while edge._gate is None or edge._gate.successor is None:
            await asyncio.sleep(0)
        path = "/agents/poet/stream" if streams else ASK
        request = client.build_request("POST", path, json={"payload": {"input": "wait"}})
        asking = asyncio.create_task(client.send(request, stream=streams))
        await released.wait()
        async with next_version(edge), asyncio.timeout(5):
            while not Poet.began or (streams and not asking.done()):
                await asyncio.sleep(0.001)
            assert not passing.done()
            runtime._life.leave_askers()
            answer = await asking
            if streams:
                with pytest.raises(httpx.RemoteProtocolError):
                    await answer.aread()
            else:
                assert (answer.status_code, answer.json()["error"]["code"]) == (503, "stopping")
            await passing


@pytest.mark.promise(id="SEM-1833")
async def test_another_program_may_listen_at_the_address_while_a_stream_is_still_read():
    Poet.left.clear()
    async with running() as (_, edge), httpx.AsyncClient(base_url=edge.url, verify=PLAIN) as client:
        body = {"payload": {"input": "wait"}}
        async with client.stream("POST", "/agents/poet/stream", json=body) as answer:
            await anext(answer.aiter_lines())
            edge.free_address()
            listen("another program", edge.options.host, edge.port).close()
            await asyncio.sleep(0)
            assert Poet.left == []


@pytest.mark.promise(id="SEM-1834")
async def test_a_program_that_may_have_to_lead_again_leaves_the_address_to_the_others_until_it_does():
    def alone(text: str) -> None:
        pytest.fail(text)

    async with running() as (_, edge):
        again = HttpEdge(HttpOptions(port=edge.port))
        callers = Callers(lambda: [again], Alone())
        callers.come_after([edge])
        callers.let_in(alone)
        await asyncio.sleep(0)
        with pytest.raises(ConfigurationError, match="Address already in use"):
            listen("another program", edge.options.host, edge.port)
        await callers.are_in()
        listen("this program", edge.options.host, edge.port).close()
