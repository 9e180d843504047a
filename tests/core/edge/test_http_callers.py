"""Callers of the HTTP edge: who comes in, with what, and those that are slow, large or many."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import pytest

from civitas import Runtime
from civitas.edge.http import HttpOptions
from civitas.errors import ConfigurationError
from tests.core.edge.poets import (
    PLAIN,
    Poet,
    Together,
    browsing,
    hello,
    patiently,
    running,
)
from tests.deep import further


@pytest.mark.promise(id="SEM-1738")
async def test_nobody_comes_in_without_the_token():
    async with browsing(token="secret") as client:
        assert (await client.get("/livez")).status_code == 200
        for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": "secret"}):
            refused = await client.get("/v1/models", headers=headers)
            assert (refused.status_code, refused.json()["error"]["code"]) == (
                401,
                "invalid_api_key",
            )
        let_in = await client.get("/v1/models", headers={"authorization": "Bearer secret"})
    assert let_in.status_code == 200


@pytest.mark.promise(id="SEM-1738")
def test_an_address_that_other_machines_can_reach_needs_a_token():
    with pytest.raises(ConfigurationError, match="a token is needed"):
        HttpOptions(host="0.0.0.0")
    with pytest.raises(ConfigurationError, match="is the variable that it comes from set"):
        HttpOptions(token="")


@pytest.mark.promise(id="SEM-1738")
@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"host": "evil.example"}, "wrong_host"),
        ({"origin": "https://evil.example"}, "wrong_origin"),
    ],
)
async def test_without_a_token_pages_of_others_cannot_use_the_browser_of_this_machine(
    headers, code
):
    async with browsing() as client:
        refused = await client.post("/agents/poet/send", json={}, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, code)


@pytest.mark.promise(id="SEM-1739")
async def test_a_body_that_is_too_large_is_refused_whether_it_says_so_or_not():
    async with browsing(max_body=100) as client:

        async def chunks() -> AsyncIterator[bytes]:
            for _ in range(10):
                yield b"x" * 50

        said = await client.post("/agents/poet/ask", content=b"x" * 101)
        unsaid = await client.post("/agents/poet/ask", content=chunks())
    assert (said.status_code, unsaid.status_code) == (413, 413)


@pytest.mark.promise(id="SEM-1739")
@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("/v1/chat/completions", {"messages": hello()}, "model"),
        ("/v1/chat/completions", {"model": "poet", "messages": []}, "messages"),
        ("/v1/chat/completions", {"model": "poet", "messages": [{"role": "tool"}]}, "messages[0]"),
        ("/v1/responses", {"model": "poet", "input": 1}, "input"),
        ("/v1/responses", {"model": "poet", "input": "x", "conversation": 3}, "conversation"),
        ("/agents/poet/ask", {"paylod": 1}, "paylod"),
        ("/agents/poet/ask", {"timeout": "soon"}, "timeout"),
        ("/agents/poet/resume", {"conversation": "c"}, "value"),
    ],
)
async def test_a_request_that_is_none_is_told_which_key_is_wrong(path, body, param):
    async with browsing() as client:
        refused = await client.post(path, json=body)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == param


@pytest.mark.promise(id="SEM-1739")
async def test_what_is_no_json_and_what_is_not_there_are_told_in_the_form_of_the_api():
    async with browsing() as client:
        broken = await client.post("/v1/responses", content=b"{")
        nothing = await client.get("/v2/models")
        other = await client.put("/v1/models")
    assert broken.json()["error"]["code"] == "invalid_json"
    assert nothing.json()["error"]["code"] == "not_found"
    assert other.json()["error"]["code"] == "method_not_allowed"


@pytest.mark.promise(id="SEM-1740")
@pytest.mark.parametrize("head", [b"", b"POST /agents/poet/ask HTTP/1.1\r\nHost: local"])
async def test_a_caller_that_does_not_send_the_head_of_a_request_in_time_is_left(head: bytes):
    async with patiently(0.1) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(head)
        with suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(), 5) == b""
        writer.close()


@pytest.mark.promise(id="SEM-1740")
async def test_a_caller_that_does_not_send_its_body_in_time_is_told_so():
    async with patiently(0.1) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(
            b"POST /agents/poet/ask HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
        )
        assert b"408" in await asyncio.wait_for(reader.readline(), 5)
        writer.close()


@pytest.mark.promise(id="SEM-1740")
async def test_a_connection_that_is_used_again_is_not_taken_for_a_slow_one():
    async with patiently(0.2) as edge, httpx.AsyncClient(base_url=edge.url, verify=PLAIN) as client:
        until = asyncio.get_running_loop().time() + 0.5
        while asyncio.get_running_loop().time() < until:
            assert (await client.get("/livez")).status_code == 200
        assert edge._server is not None
        assert len(edge._server.server_state.connections) == 1


@pytest.mark.promise(id="SEM-1740")
async def test_a_stream_of_a_caller_that_reads_nothing_holds_little_and_ends():
    Poet.left.clear()
    Poet.told = 0
    async with patiently(0.3) as edge:
        _, writer = await asyncio.open_connection("127.0.0.1", edge.port, limit=1)
        body = json.dumps({"model": "poet", "messages": hello("flood"), "stream": True}).encode()
        head = (
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
        )
        writer.write(head % len(body) + body)
        async with asyncio.timeout(10):
            while not Poet.left:
                await asyncio.sleep(0)
        writer.transport.abort()
    assert Poet.told < 2000  # what the kernel takes, and 100 ahead


@pytest.mark.promise(id="SEM-1754")
async def test_a_runtime_says_where_its_edge_is_each_time_that_it_runs():
    config = {
        "edge": {"http": {"port": 0}},
        "supervision": {"children": [{"agent": {"name": "poet", "type": "Poet"}}]},
    }
    runtime = Runtime.from_config(config, agent_classes={"Poet": Poet})
    for _ in range(2):
        assert runtime.edge_url is None
        async with runtime, httpx.AsyncClient(base_url=str(runtime.edge_url)) as client:
            assert (await client.get("/livez")).status_code == 200
            assert (await runtime.overview())["edge"] == runtime.edge_url
    assert runtime.edge_url is None


@pytest.mark.promise(id="SEM-1731")
@pytest.mark.parametrize("streams", [20, *further(1000)])
async def test_many_streams_go_on_at_once_and_each_is_whole(streams: int):
    pool = {"name": "poets", "type": "Together", "max_live": streams}
    config = {
        "edge": {"http": {"port": 0}},
        "supervision": {"children": [{"conversation_pool": pool}]},
    }
    Together.begin(streams)
    async with Runtime.from_config(config, agent_classes={"Together": Together}) as runtime:
        edge = runtime.edge_url
        assert edge is not None
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=edge, verify=PLAIN, limits=limits, timeout=60
        ) as client:

            async def stream(number: int) -> str:
                body = {"model": "poets", "messages": hello(str(number)), "stream": True}
                return (await client.post("/v1/chat/completions", json=body)).text

            told = await asyncio.gather(*map(stream, range(streams)))
    for number, text in enumerate(told):
        chunks = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]
        said = [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]
        assert "".join(said) == f"{number} and all"
        assert text.endswith("data: [DONE]\n\n")


async def test_a_port_that_is_taken_is_told_at_the_start():
    async with running() as (_, edge):
        with pytest.raises(ConfigurationError, match="cannot listen at"):
            async with running(port=edge.port):
                raise AssertionError("it has started")
