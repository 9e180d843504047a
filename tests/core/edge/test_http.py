"""The HTTP edge, with real clients on loopback."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httpx
import openai
import pytest

from civitas import AgentProcess, Message, Runtime, Supervisor
from civitas.edge.http import HttpEdge, HttpOptions
from civitas.errors import ConfigurationError
from tests.deep import further

pytestmark = pytest.mark.usefixtures("_no_openai_key")
WORDS = ["roses ", "are ", "red"]


@pytest.fixture
def _no_openai_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


class Poet(AgentProcess):
    """Says words one by one; or fails, or waits, or asks, as it is told."""

    left: list[str] = []
    told = 0

    async def handle(self, message: Message) -> Message | None:
        given = message.payload.get("input") if isinstance(message.payload, dict) else None
        match given:
            case "fail":
                raise ValueError("no rhyme")
            case "wait":
                await self.emit({"text": "wait"}, "token")
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    self.left.append(self.name)
                    raise
            case "may I":
                payload = {"interrupts": [{"id": "q1", "value": "Roses?"}]}
                return Message(
                    payload=payload,
                    type="interrupt",
                    conversation=message.conversation or "c1",
                    correlation_id=message.id,
                )
            case "flood":
                try:
                    while True:
                        await self.emit({"text": 10_000 * "x"}, "token")
                        Poet.told += 1
                finally:
                    self.left.append(self.name)
            case "header":
                usage = {"input_tokens": 5, "output_tokens": 6, "total_tokens": 11}
                return self.reply({"output": ""}).replaced(
                    headers={"civitas-usage": json.dumps(usage)}
                )
        if message.type == "resume":
            return self.reply({"output": f"answered {message.payload['values']['q1']}"})
        for word in WORDS:
            await self.emit({"text": word}, "token")
        usage = {"input_tokens": 3, "output_tokens": 4}
        return self.reply(
            {"output": "roses are red", "usage": usage, "got": given, "in": message.conversation}
        )


class Together(AgentProcess):
    """Begins to answer, and goes on when all have begun."""

    all_began: asyncio.Event
    missing = 0

    @classmethod
    def begin(cls, streams: int) -> None:
        cls.all_began, cls.missing = asyncio.Event(), streams

    async def handle(self, message: Message) -> Message:
        await self.emit({"text": message.payload["input"]}, "token")
        Together.missing -= 1
        if not self.missing:
            self.all_began.set()
        await self.all_began.wait()
        await self.emit({"text": " and all"}, "token")
        return self.reply({"output": f"{message.payload['input']} and all"})


@asynccontextmanager
async def running(**keys: Any) -> AsyncIterator[tuple[Runtime, HttpEdge]]:
    poet = {"agent": {"name": "poet", "type": "Poet", "cancel_on_timeout": True}}
    config = {"edge": {"http": {"port": 0, **keys}}, "supervision": {"children": [poet]}}
    async with Runtime.from_config(config, agent_classes={"Poet": Poet}) as runtime:
        (edge,) = runtime._life.edges
        assert isinstance(edge, HttpEdge)
        yield runtime, edge


@asynccontextmanager
async def browsing(**keys: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with running(**keys) as (_, edge), httpx.AsyncClient(base_url=edge.url) as client:
        yield client


@asynccontextmanager
async def chatting() -> AsyncIterator[openai.AsyncOpenAI]:
    async with (
        running() as (_, edge),
        openai.AsyncOpenAI(base_url=f"{edge.url}/v1", api_key="none") as client,
    ):
        yield client


@asynccontextmanager
async def patiently(seconds: float) -> AsyncIterator[HttpEdge]:
    edge = HttpEdge(HttpOptions(port=0, patience=seconds))
    async with Runtime(Supervisor("root", children=[Poet("poet")]), edges=[edge]):
        yield edge


def hello(text: str = "hello") -> Any:
    return [{"role": "user", "content": text}]


def events_in(text: str) -> list[tuple[str, str, Any]]:
    """Id, name and data of each."""
    found = []
    for block in filter(None, text.split("\n\n")):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        found.append((fields.get("id", ""), fields.get("event", ""), json.loads(fields["data"])))
    return found


@pytest.mark.promise(id="SEM-1731")
async def test_the_agents_are_the_models_of_an_openai_client():
    async with chatting() as client:
        assert [each.id for each in (await client.models.list()).data] == ["poet"]
        assert (await client.models.retrieve("poet")).owned_by == "civitas"


@pytest.mark.promise(id="SEM-1731")
async def test_a_chat_completion_is_the_agent_s_answer():
    async with chatting() as client:
        answer = await client.chat.completions.create(model="poet", messages=hello())
    assert answer.choices[0].message.content == "roses are red"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 7


@pytest.mark.promise(id="SEM-1731")
async def test_a_chat_completion_is_streamed_as_the_agent_emits_it():
    async with chatting() as client:
        stream = await client.chat.completions.create(
            model="poet", messages=hello(), stream=True, stream_options={"include_usage": True}
        )
        chunks = [chunk async for chunk in stream]
    told = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices]
    assert [text for text in told if text] == WORDS
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 4


@pytest.mark.promise(id="SEM-1731")
async def test_the_tokens_that_an_adapter_reports_are_the_usage_of_both_apis():
    async with chatting() as client:
        chat = await client.chat.completions.create(model="poet", messages=hello("header"))
        response = await client.responses.create(model="poet", input="header")
    assert chat.usage is not None
    assert (chat.usage.prompt_tokens, chat.usage.completion_tokens) == (5, 6)
    assert response.usage is not None
    assert response.usage.total_tokens == 11


@pytest.mark.promise(id="SEM-1732")
async def test_a_response_goes_on_with_the_conversation_of_the_one_before():
    async with running() as (_, edge), httpx.AsyncClient(base_url=edge.url) as client:
        first = (await client.post("/v1/responses", json={"model": "poet", "input": "a"})).json()
        second = {"model": "poet", "input": "b", "previous_response_id": first["id"]}
        again = (await client.post("/v1/responses", json=second)).json()
        named = {"model": "poet", "input": "c", "conversation": "mine"}
        third = (await client.post("/v1/responses", json=named)).json()
    assert first["id"] != again["id"]
    assert first["id"].removeprefix("resp_")[12:] == again["id"].removeprefix("resp_")[12:]
    assert third["conversation"] == {"id": "mine"}


@pytest.mark.promise(id="SEM-1731")
async def test_a_response_is_streamed_by_the_events_of_the_api():
    async with chatting() as client, client.responses.stream(model="poet", input="hi") as stream:
        types = [event.type async for event in stream]
        response = await stream.get_final_response()
    assert types[0] == "response.created"
    assert types.count("response.output_text.delta") == 3
    assert types[-1] == "response.completed"
    assert response.output_text == "roses are red"


@pytest.mark.promise(id="SEM-1732")
async def test_a_chat_has_the_conversation_that_its_header_names():
    async with chatting() as client:
        headers = {"x-civitas-conversation": "c7"}
        raw = await client.chat.completions.with_raw_response.create(
            model="poet", messages=hello(), extra_headers=headers
        )
    assert raw.headers["x-civitas-conversation"] == "c7"


@pytest.mark.promise(id="SEM-1733")
async def test_a_question_to_a_human_is_answered_by_the_next_message_of_the_conversation():
    headers = {"x-civitas-conversation": "c1"}
    async with chatting() as client:
        asked = await client.chat.completions.create(
            model="poet", messages=hello("may I"), extra_headers=headers
        )
        answered = await client.chat.completions.create(
            model="poet", messages=hello("please"), extra_headers=headers
        )
    assert asked.choices[0].message.content == "Roses?"
    assert answered.choices[0].message.content == "answered please"


@pytest.mark.promise(id="SEM-1734")
async def test_an_unknown_model_is_told_at_once_with_the_closest_name():
    async with chatting() as client:
        with pytest.raises(openai.NotFoundError, match="did you mean 'poet'") as raised:
            await client.chat.completions.create(model="poe", messages=hello())
    assert raised.value.code == "model_not_found"


@pytest.mark.promise(id="SEM-1734")
async def test_a_handler_that_fails_is_told_once_and_not_asked_again():
    async with chatting() as client:
        with pytest.raises(openai.InternalServerError, match="no rhyme") as raised:
            await client.chat.completions.create(model="poet", messages=hello("fail"))
    assert raised.value.response.headers["x-should-retry"] == "false"
    assert raised.value.code == "agent_failed"


@pytest.mark.promise(id="SEM-1735")
@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", {"model": "poet", "messages": hello("wait")}),
        ("/v1/chat/completions", {"model": "poet", "messages": hello("wait"), "stream": True}),
        ("/v1/responses", {"model": "poet", "input": "wait", "stream": True}),
        ("/agents/poet/ask", {"payload": {"input": "wait"}}),
        ("/agents/poet/stream", {"payload": {"input": "wait"}}),
    ],
)
async def test_a_client_that_leaves_ends_the_run(path: str, body: dict[str, Any]):
    Poet.left.clear()
    async with browsing() as client:
        asking = asyncio.create_task(client.post(path, json=body))
        while (await client.get("/readyz")).status_code != 200:
            pass
        await asyncio.wait({asking}, timeout=0.1)
        asking.cancel()
        async with asyncio.timeout(5):
            while not Poet.left:
                await asyncio.sleep(0)
    assert Poet.left == ["poet"]


@pytest.mark.promise(id="SEM-1736")
async def test_a_program_asks_sends_and_resumes():
    async with browsing() as client:
        asked = await client.post("/agents/poet/ask", json={"payload": {"input": "x"}})
        sent = await client.post("/agents/poet/send", json={"payload": {"input": "x"}})
        resumed = await client.post(
            "/agents/poet/resume", json={"values": {"q1": "yes"}, "conversation": "c1"}
        )
    assert asked.json()["payload"]["got"] == "x"
    assert (sent.status_code, sent.json()["accepted"]) == (202, True)
    assert resumed.json()["payload"] == {"output": "answered yes"}


@pytest.mark.promise(id="SEM-1736")
async def test_a_stream_is_rejoined_behind_the_last_event_that_was_read():
    async with browsing() as client:
        body = {"payload": {"input": "x"}, "run": "r1"}
        streamed = await client.post("/agents/poet/stream", json=body)
        rejoined = await client.get("/runs/r1/events", headers={"last-event-id": "2"})
    assert [event[:2] for event in events_in(streamed.text)] == [
        ("1", "token"),
        ("2", "token"),
        ("3", "token"),
        ("4", "reply"),
    ]
    assert events_in(rejoined.text) == events_in(streamed.text)[2:]


@pytest.mark.promise(id="SEM-1736")
async def test_a_run_that_was_named_goes_on_when_its_reader_leaves_and_is_ended_by_its_name():
    Poet.left.clear()
    async with browsing() as client:
        body = {"payload": {"input": "wait"}, "run": "r1"}
        async with client.stream("POST", "/agents/poet/stream", json=body) as response:
            await anext(response.aiter_lines())
        assert (await client.get("/runs/r1")).json()["status"] == "running"
        assert Poet.left == []
        assert (await client.delete("/runs/r1")).json()["cancelled"] is True
        assert (await client.get("/runs/r1")).json()["status"] == "done"
    assert Poet.left == ["poet"]


@pytest.mark.promise(id="SEM-1737")
async def test_a_system_that_stops_is_not_ready_but_alive():
    async with running() as (_, edge), httpx.AsyncClient(base_url=edge.url) as client:
        assert (await client.get("/readyz")).status_code == 200
        await edge.close_door()
        assert (await client.get("/livez")).status_code == 200
        ready = await client.get("/readyz")
        refused = await client.post("/agents/poet/ask", json={})
    assert (ready.status_code, ready.json()["why"]) == (503, "it is stopping")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "stopping")


@pytest.mark.promise(id="SEM-1737")
async def test_the_metrics_are_in_the_text_format_of_prometheus():
    async with browsing() as client:
        text = (await client.get("/metrics")).text
    labels = '{system="civitas",name="poet",kind="agent",node="root"}'
    assert f"civitas_agent_up{labels} 1\n" in text
    assert f"civitas_mailbox_depth{labels} 0\n" in text


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
    async with patiently(0.2) as edge, httpx.AsyncClient(base_url=edge.url) as client:
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
        (edge,) = runtime._life.edges
        assert isinstance(edge, HttpEdge)
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=edge.url, limits=limits, timeout=60) as client:

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
