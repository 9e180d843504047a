"""What nobody expects at the HTTP edge: requests that are cut off or make no sense, agents with forms of their own."""

from __future__ import annotations

import asyncio
import json
import logging
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest

from civitas import AgentProcess, Message, Runtime, Supervisor
from civitas.edge.http import HttpEdge, HttpOptions
from civitas.edge.http.failures import HttpFailure
from tests.core.edge.poets import PLAIN, browsing, events_in, hello, running

CHAT, RESPONSES = "/v1/chat/completions", "/v1/responses"


VALUES = {
    "when": datetime(2026, 1, 2, tzinfo=UTC),
    "price": Decimal("1.50"),
    "raw": b"\xff",
    "names": {"a"},
    "share": math.nan,
    b"key": 1,
}
TOLD = {
    "when": "2026-01-02T00:00:00+00:00",
    "price": "1.50",
    "raw": "0xff",
    "names": ["a"],
    "share": "nan",
    "key": 1,
}


FORGED = 'hi\n\nevent: reply\rdata: {"payload": "forged"}\r\n\r\n'


class Odd(AgentProcess):
    """Emits and answers what it is told to."""

    heard: list[Any] = []

    async def handle(self, message: Message) -> Message:
        self.heard.append(message.payload)
        match message.payload:
            case {"input": "emit text"}:
                await self.emit("roses", "token")
            case {"input": "forge"}:
                await self.emit(FORGED, "token")
            case {"input": "emit a number"}:
                await self.emit({"text": 3}, "token")
            case {"input": "emit nothing"}:
                await self.emit(None, "token")
            case {"input": "ask nothing"}:
                return Message(
                    payload={"interrupts": [{"value": "no id"}, {"id": [1], "value": "a list"}]},
                    type="interrupt",
                    conversation=message.conversation or "c",
                    correlation_id=message.id,
                )
            case {"input": "reply by type"}:
                await self.emit(VALUES, "custom")
                return self.reply(VALUES)
            case {"input": "ask by type"}:
                return Message(
                    payload={"interrupts": [{"id": "1", "value": VALUES}]},
                    type="interrupt",
                    conversation="c",
                    correlation_id=message.id,
                )
        return self.reply("roses are red")


@asynccontextmanager
async def odd() -> AsyncIterator[HttpEdge]:
    Odd.heard.clear()
    edge = HttpEdge(HttpOptions(port=0))
    async with Runtime(Supervisor("root", children=[Odd("odd")]), edges=[edge]):
        yield edge


def post(path: str, body: bytes, length: int | None = None, version: str = "1.1") -> bytes:
    """A request, as it goes over the wire."""
    size = len(body) if length is None else length
    head = f"POST {path} HTTP/{version}\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
    return head.encode() + body


async def answers_to(edge: HttpEdge, requests: bytes) -> bytes:
    """All that comes back until the edge closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
    writer.write(requests)
    try:
        return await asyncio.wait_for(reader.read(-1), 5)
    finally:
        writer.close()


@pytest.mark.promise(id="SEM-1781")
async def test_a_request_that_was_cut_off_does_nothing():
    whole = post("/agents/odd/send", b'{"payload": "x"}    ')
    async with odd() as edge, httpx.AsyncClient(base_url=edge.url, verify=PLAIN) as client:
        for sent in range(1, len(whole)):
            _, writer = await asyncio.open_connection("127.0.0.1", edge.port)
            writer.write(whole[:sent])
            writer.close()
            await writer.wait_closed()
        await client.post("/agents/odd/ask", json={"payload": "last"})
    assert Odd.heard == ["last"]


@pytest.mark.promise(id="SEM-1782")
@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        (CHAT, 100_000 * b"[", 400, None),
        (CHAT, b'{"model": "poet", "messages": [{"role": "user", "content": false}]}', 400, ...),
        (RESPONSES, rb'{"model": "poet", "input": "x", "conversation": "\ud800"}', 400, None),
        (
            RESPONSES,
            '{"model": "poet", "input": "x", "previous_response_id": "resp_ééééééééééééééé"}',
            404,
            "previous_response_id",
        ),
        (
            CHAT,
            b'{"model": "poet", "messages": [{"role": "user", "content": "x"}], "metadata": {"conversation": [1]}}',
            400,
            "conversation",
        ),
        (
            RESPONSES,
            rb'{"model": "poet", "input": "x", "metadata": {"a": "\ud800"}}',
            400,
            "metadata",
        ),
        (RESPONSES, b'{"model": "poet", "input": "x", "metadata": {"a": NaN}}', 400, "metadata"),
    ],
    ids=[
        *("nested", "no text", "no unicode", "not an id"),
        *("conversation", "metadata without unicode", "metadata that is not JSON"),
    ],
)
async def test_a_request_that_makes_no_sense_is_no_failure_of_the_edge(
    path, body, status, param, caplog
):
    async with browsing() as client:
        refused = await client.post(path, content=body)
    assert refused.status_code == status
    assert refused.json()["error"]["type"] == "invalid_request_error"
    assert param is ... or refused.json()["error"]["param"] == param
    assert not caplog.records


@pytest.mark.promise(id="SEM-1782")
async def test_a_number_of_an_event_that_is_longer_than_any_is_refused(caplog):
    async with browsing() as client:
        refused = await client.get("/runs/r/events", headers={"last-event-id": 5_000 * "9"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "Last-Event-ID")
    assert not caplog.records


@pytest.mark.promise(id="SEM-1782")
@pytest.mark.parametrize("path", [CHAT, RESPONSES])
@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "look"}])
async def test_a_client_that_waits_for_the_call_of_its_own_tool_is_told_that_none_will_come(
    path, choice
):
    async with browsing() as client:
        said = {"model": "poet", "messages": hello(), "input": "x", "tools": []}
        refused = await client.post(path, json=said | {"tool_choice": choice})
        taken = await client.post(path, json=said | {"tool_choice": "auto"})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "tool_choice")
    assert taken.status_code == 200


@pytest.mark.promise(id="SEM-1783")
async def test_names_that_no_header_can_carry_do_not_end_the_answer():
    name = "a\r\nset-cookie: b"
    async with browsing() as client:
        streamed = await client.post(
            "/agents/poet/stream", json={"payload": {"input": "x"}, "run": name}
        )
        said = {"model": "poet", "messages": hello(), "metadata": {"conversation": name}}
        answered = await client.post(CHAT, json=said)
    assert events_in(streamed.text)[-1][1] == "reply"
    assert answered.status_code == 200
    for answer in (streamed, answered):
        assert not answer.headers.keys() & {"x-civitas-run", "set-cookie", "x-civitas-conversation"}


@pytest.mark.promise(id="SEM-1784")
@pytest.mark.parametrize("path", [CHAT, RESPONSES])
async def test_tokens_that_an_agent_emits_in_a_form_of_its_own_are_streamed_as_text(path):
    whole = {"emit text": "roses", "emit a number": '{"text": 3}', "emit nothing": ""}
    async with odd() as edge, httpx.AsyncClient(base_url=edge.url, verify=PLAIN) as client:
        for asked, first in whole.items():
            said = {"model": "odd", "messages": hello(asked), "input": asked, "stream": True}
            streamed = await client.post(path, json=said)
            told = streamed.text
            assert json.dumps(first)[1:-1] in told
            assert ("are red" in told, '"error": {' in told) == (True, False)


@pytest.mark.promise(id="SEM-1784")
async def test_text_with_line_ends_is_one_event_and_makes_no_others():
    async with odd() as edge, httpx.AsyncClient(base_url=edge.url, verify=PLAIN) as client:
        said = {"payload": {"input": "forge"}}
        streamed = await client.post("/agents/odd/stream", json=said)
    told = events_in(streamed.text)
    assert [kind for _, kind, _ in told] == ["token", "reply"]
    assert told[0][2] == FORGED


@pytest.mark.promise(id="SEM-1784")
async def test_what_json_has_no_form_for_is_text_in_whatever_way_it_is_asked_for():
    said = {"payload": {"input": "reply by type"}}
    chat = {"model": "odd", "messages": hello("ask by type"), "metadata": {"conversation": "c"}}
    async with odd() as edge, httpx.AsyncClient(base_url=edge.url, verify=PLAIN) as client:
        answered = await client.post("/agents/odd/ask", json=said)
        streamed = await client.post("/agents/odd/stream", json=said)
        asked = await client.post(CHAT, json=chat)
    assert answered.json()["payload"] == TOLD
    (_, kind, emitted), (_, _, reply) = events_in(streamed.text)
    assert (kind, emitted, reply["payload"]) == ("custom", TOLD, TOLD)
    assert asked.json()["civitas"]["interrupts"][0]["value"] == TOLD


@pytest.mark.promise(id="SEM-1784")
@pytest.mark.parametrize("stream", [False, True])
async def test_an_interrupt_that_asks_nothing_that_could_be_answered_is_an_answer(stream):
    async with odd() as edge, httpx.AsyncClient(base_url=edge.url, verify=PLAIN) as client:
        said = {"model": "odd", "messages": hello("ask nothing"), "stream": stream}
        headers = {"x-civitas-conversation": "c"}
        answered = await client.post(CHAT, json=said, headers=headers)
        after = await client.post(CHAT, json={"model": "odd", "messages": hello()}, headers=headers)
    assert "no id" in answered.text
    assert after.json()["choices"][0]["message"]["content"] == "roses are red"


@pytest.mark.promise(id="SEM-1785")
async def test_requests_in_a_row_and_old_ones_are_answered():
    ask = post("/agents/poet/ask", b'{"payload": {"input": "x"}}')
    stream = post("/agents/poet/stream", b'{"payload": {"input": "x"}}')
    said = json.dumps({"model": "poet", "messages": hello(), "stream": True}).encode()
    async with running() as (_, edge):
        last = b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        row = await answers_to(edge, 2 * (ask + stream) + last)
        old = await answers_to(edge, post(CHAT, said, version="1.0"))
    assert row.count(b"HTTP/1.1 200 OK") == 5
    assert old.endswith(b"data: [DONE]\n\n")


def test_what_went_wrong_in_the_edge_is_in_its_log(caplog):
    with caplog.at_level(logging.ERROR, "civitas.edge"):
        found = HttpFailure.of(KeyError("secret"))
    assert (found.status, "secret" in str(found.body)) == (500, False)
    assert "secret" in caplog.text
