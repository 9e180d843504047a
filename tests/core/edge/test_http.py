"""The HTTP edge: what it answers, with real clients on loopback."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import httpx
import openai
import pytest

from civitas import (
    AgentProcess,
    ErrorAction,
    HandlerFailed,
    Message,
    Runtime,
    SQLiteStateStore,
    Supervisor,
)
from civitas.edge.http import HttpEdge, HttpOptions
from civitas.edge.http.failures import HttpFailure
from civitas.errors import AgentTerminated, AskTimeout, RunConflict, UnknownAgent
from civitas.models import ModelResponse
from civitas.testing import ScriptedModel
from tests.core.edge.poets import (
    PLAIN,
    WORDS,
    Poet,
    browsing,
    chatting,
    events_in,
    hello,
    running,
)


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
    async with running() as (_, edge), httpx.AsyncClient(base_url=edge.url, verify=PLAIN) as client:
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


@pytest.mark.promise(id="SEM-1733")
async def test_a_question_of_a_durable_agent_is_answered_after_a_restart(tmp_path):
    headers = {"x-civitas-conversation": "c1"}

    async def said(text):
        edge, poet = HttpEdge(HttpOptions(port=0)), Poet("poet", delivery="durable")
        store = partial(SQLiteStateStore, tmp_path / "state.db")
        body = {"model": "poet", "messages": hello(text)}
        async with (
            Runtime(Supervisor("root", children=[poet]), edges=[edge], state_store=store),
            httpx.AsyncClient(base_url=edge.url, verify=PLAIN) as client,
        ):
            answer = await client.post("/v1/chat/completions", json=body, headers=headers)
        return answer.json()["choices"][0]["message"]["content"]

    assert await said("may I") == "Roses?"
    assert await said("please") == "answered please"
    assert await said("hello") == "roses are red"


@pytest.mark.promise(id="SEM-1733")
async def test_what_is_said_after_somebody_else_has_answered_a_question_is_a_message():
    edge, poet = HttpEdge(HttpOptions(port=0)), Poet("poet", delivery="durable")
    async with (
        Runtime(Supervisor("root", children=[poet]), edges=[edge]) as runtime,
        httpx.AsyncClient(base_url=edge.url, verify=PLAIN) as client,
    ):

        async def said(text):
            body = {"model": "poet", "messages": hello(text), "metadata": {"conversation": "c1"}}
            answer = await client.post("/v1/chat/completions", json=body)
            return answer.json()["choices"][0]["message"]["content"]

        assert await said("may I") == "Roses?"
        await runtime.ask("poet", {"values": {"q1": "yes"}}, "resume", conversation="c1")
        assert await said("hello") == "roses are red"


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
    assert "remote_traceback" not in raised.value.message


def test_a_caller_is_told_what_to_do_in_the_words_of_http():
    errors: list[tuple[Exception, str]] = [
        (UnknownAgent("a"), "GET /v1/models lists the agents"),
        (HandlerFailed("a", "KeyError", "'b'"), "'a' failed: KeyError: 'b'"),
        (AskTimeout("a", "message", 1.0, run="r"), "GET /runs/r says what becomes of it"),
        (RunConflict("r", "a", "another payload"), "GET /runs/r has the answer"),
        (AgentTerminated("a"), "'a' will not answer: it was stopped. Look for its crash"),
    ]
    for error, words in errors:
        said = HttpFailure.of(error).body["error"]["message"]
        assert words in said
        assert "runtime." not in said
        assert "remote_traceback" not in said


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
    Poet.began.clear()
    Poet.left.clear()
    async with browsing() as client:
        asking = asyncio.create_task(client.post(path, json=body))
        while not Poet.began:
            await asyncio.sleep(0)
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
    async with running() as (_, edge), httpx.AsyncClient(base_url=edge.url, verify=PLAIN) as client:
        assert (await client.get("/readyz")).status_code == 200
        await edge.close_door()
        assert (await client.get("/livez")).status_code == 200
        ready = await client.get("/readyz")
        refused = await client.post("/agents/poet/ask", json={})
    assert (ready.status_code, ready.json()["why"]) == (503, "it is stopping")
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "stopping")


def families_in(text: str) -> dict[str, Any]:
    """What Prometheus's own parser makes of a scrape."""
    parser = pytest.importorskip("prometheus_client.parser")
    found = list(parser.text_string_to_metric_families(text))
    assert len({each.name for each in found}) == len(found)
    return {each.name: each for each in found}


class Busy(AgentProcess):
    """Calls a model and a tool, and fails where it is told to."""

    async def handle(self, message: Message) -> Message:
        assert self.llm is not None
        assert self.tools is not None
        await self.llm.chat('m "large"\\', [{"role": "user", "content": "Hello"}])
        await self.tools.call("add", one=1, other=2)
        if message.payload == "fail":
            raise KeyError("it")
        return self.reply("done")

    async def on_error(self, error: Exception, message: Message) -> ErrorAction:
        return ErrorAction.SKIP


def add(one: int, other: int) -> int:
    """Add."""
    return one + other


@pytest.mark.promise(id="SEM-1727")
@pytest.mark.promise(id="SEM-1737")
async def test_the_metrics_are_in_the_text_format_of_prometheus():
    edge, tree = HttpEdge(HttpOptions(port=0)), Supervisor("root", [Busy("busy")])
    model = ScriptedModel([ModelResponse("x", tokens_in=12, tokens_out=5)] * 2)
    async with (
        Runtime(tree, model_provider=model, tools=[add], edges=[edge]) as runtime,
        httpx.AsyncClient(base_url=edge.url, verify=PLAIN) as client,
    ):
        assert runtime._node.tracing.metrics.active is False
        first = families_in((await client.get("/metrics")).text)
        [busy] = [
            each for each in first["civitas_agent_up"].samples if each.labels["name"] == "busy"
        ]
        assert (busy.labels["system"], busy.value) == ("civitas", 1)
        await runtime.ask("busy", 1)
        with pytest.raises(HandlerFailed):
            await runtime.ask("busy", "fail")
        found = families_in((await client.get("/metrics")).text)

    def values(family: str, sample: str, label: str) -> dict[str | None, float]:
        return {
            each.labels.get(label): each.value
            for each in found[family].samples
            if each.name == sample
        }

    calls = "gen_ai_client_operation_duration_seconds"
    assert values(calls, f"{calls}_count", "gen_ai_request_model") == {'m "large"\\': 2}
    assert values(calls, f"{calls}_bucket", "le")["+Inf"] == 2
    tools = "gen_ai_execute_tool_duration_seconds"
    assert values(tools, f"{tools}_count", "gen_ai_tool_name") == {"add": 2}
    tokens = "gen_ai_client_inference_usage_input_tokens"
    assert values(tokens, f"{tokens}_total", "system") == {"civitas": 24}
    handled = "messaging_client_consumed_messages"
    assert values(handled, f"{handled}_total", "error_type") == {None: 1, "KeyError": 1}
    assert values("civitas_asks_in_flight", "civitas_asks_in_flight", "system") == {"civitas": 0}
    states = values("civitas_node_state", "civitas_node_state", "civitas_node_state")
    assert states == {"up": 1, "starting": 0, "leaving": 0, "down": 0}


class Once(AgentProcess):
    """Ends after its first message."""

    async def handle(self, message: Message) -> Message:
        await self.stop()
        return self.reply("over")


@pytest.mark.promise(id="SEM-1737")
async def test_an_agent_that_ended_as_it_should_is_not_missing():
    edge = HttpEdge(HttpOptions(port=0))
    root = Supervisor("root", children=[Once("once", restart="transient")])
    async with Runtime(root, edges=[edge]) as runtime, httpx.AsyncClient(verify=PLAIN) as client:
        await runtime.ask("once", None)
        while runtime.tree()["children"][0]["status"] == "running":
            await asyncio.sleep(0)
        assert (await client.get(f"{edge.url}/readyz")).status_code == 200
