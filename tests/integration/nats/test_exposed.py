"""Agents with `expose: true`, as the client of the Synadia Agent Protocol meets them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import nats
import pytest
import pytest_asyncio
from synadia_ai.agents import Agents, Envelope, ProtocolError, Query, ResponseChunk, StatusChunk

from civitas import Runtime
from tests.integration.nats.conftest import over_nats
from tests.integration.processes.system import Events, lines, running, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


def speaker(name, process=None, **keywords):
    entry = {"name": name, "type": "tests.integration.nats.cast:Speaker", "expose": True}
    return {"agent": {**entry, **({"process": process} if process else {}), **keywords}}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def exposed(server, system) -> AsyncIterator[Runtime]:
    """A system of its own on the shared server: `system` has started that."""
    config = over_nats(
        server,
        speaker("here"),
        speaker("a.b", "worker", delivery="at_least_once"),
        {"conversation_pool": {**speaker("many")["agent"]}},
        speaker("hidden", expose=False),
        {"agent": {"name": "poet", "wrap": "tests.integration.nats.graphs:made", "expose": True}},
    )
    async with Runtime.from_config({**config, "name": "research-team"}) as runtime:
        yield runtime


@pytest_asyncio.fixture(loop_scope="session")
async def agents(server, exposed) -> AsyncIterator[Agents]:
    client = await nats.connect(server.url)
    agents = Agents(nc=client)
    yield agents
    await agents.close()
    await client.close()


async def found(agents, session="here", owner="research-team"):
    there = await agents.discover(stall=0.1)
    [agent] = [each for each in there if (each.session_name, each.owner) == (session, owner)]
    return agent


async def answer(agent, prompt):
    """The text, and the other parts, of the answer to a prompt."""
    parts = [part async for part in agent.prompt(prompt)]
    text = "".join(part.text for part in parts if isinstance(part, ResponseChunk))
    return text, [part.status for part in parts if isinstance(part, StatusChunk)]


@pytest.mark.promise(id="SEM-1505")
async def test_a_client_finds_the_agents_that_are_exposed_and_no_other(agents):
    all_of_them = await agents.discover(stall=0.1)
    assert sorted(each.session_name for each in all_of_them) == ["a=2Eb", "here", "many", "poet"]
    agent = next(each for each in all_of_them if each.session_name == "a=2Eb")
    assert (agent.agent, agent.owner, agent.protocol_version) == ("civitas", "research-team", "0.3")
    assert agent.metadata["name"] == "a.b"
    assert agent.prompt_endpoint.max_payload_bytes == 1024 * 1024
    assert agent.prompt_endpoint.attachments_ok is False
    assert agent.prompt_endpoint.queue_group == "agents"


@pytest.mark.promise(id="SEM-1506")
async def test_a_prompt_is_the_input_of_the_agent_and_its_reply_the_answer(agents):
    assert await answer(await found(agents), "hello") == ("here: hello", ["ack"])


@pytest.mark.promise(id="SEM-1506")
async def test_what_an_agent_emits_is_streamed_and_its_reply_not_said_twice(agents):
    text, statuses = await answer(await found(agents, "a=2Eb"), "count 3")
    assert text == "0 1 2 "
    assert statuses == ["ack", "step: step-0", "step: step-1", "step: step-2"]


@pytest.mark.promise(id="SEM-1507")
async def test_a_prompt_that_kills_its_process_is_answered_after_the_restart(agents, server):
    config = over_nats(server, speaker("sure", "worker", delivery="at_least_once"))
    async with Runtime.from_config(config | {"name": "killed"}) as runtime:
        events = Events(runtime)
        text, _ = await answer(await found(agents, "sure", "killed"), "die")
        assert text == "sure: die"
        assert [event.name for event in events.of("crashed")] == ["sure"]
        await running(runtime)


@pytest.mark.promise(id="SEM-1507")
async def test_a_failure_is_an_error_in_the_headers_at_once(agents):
    with pytest.raises(ProtocolError, match="service error 500: 'here' failed: ValueError: oh no"):
        await answer(await found(agents), "fail oh no")


@pytest.mark.promise(id="SEM-1508")
async def test_an_agent_that_asks_a_human_asks_whoever_prompted_it(agents):
    agent = await found(agents)
    said = []
    async for part in agent.prompt("approve"):
        if isinstance(part, Query):
            said.append(part.prompt)
            await part.reply("yes")
        elif isinstance(part, ResponseChunk):
            said.append(part.text)
    assert said == [
        """May the tool 'pay' be called with {"euros": 5}? (yes/no)""",
        "you said {'q1': True}",
    ]


@pytest.mark.promise(id="SEM-1508")
async def test_a_graph_is_streamed_asks_and_goes_on_with_the_answer(agents):
    agent = await found(agents, "poet")
    said, statuses, questions = "", [], []
    async for part in agent.prompt("a poem"):
        if isinstance(part, Query):
            questions.append(part.prompt)
            await part.reply("fine")
        elif isinstance(part, StatusChunk):
            statuses.append(part.status)
        else:
            said += part.text
    assert questions == ["Roses are red."]
    assert said == "Roses are red.You said fine."
    assert statuses == ["ack", "step: think", "step: approve", "step: approve"]


@pytest.mark.promise(id="SEM-1505")
async def test_an_agent_shows_that_it_lives(agents, server):
    agent = await found(agents)
    status = await agent.status()
    assert (status.instance_id, status.session) == (agent.instance_id, "here")
    assert await agents.ping(agent.instance_id)


@pytest.mark.promise(id="SEM-1506")
async def test_an_envelope_may_name_the_conversation(agents):
    agent = await found(agents, "many")
    envelope = Envelope.model_validate({"prompt": "where", "conversation": "user-42"})
    assert (await answer(agent, envelope))[0] == '["user-42", 0]'


async def parts_of(client, subject, data):
    inbox = await client.subscribe(client.new_inbox())
    await client.publish(subject, data, reply=inbox.subject)
    parts = []
    while not parts or parts[-1].data or parts[-1].headers:
        parts.append(await inbox.next_msg(5))
    await inbox.unsubscribe()
    return parts


@pytest.mark.promise(id="SEM-1507")
@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "'prompt' must be text that is not empty"),
        (b'{"prompt": ""}', "'prompt' must be text that is not empty"),
        (b'{"prompt": 5}', "'prompt' must be text that is not empty"),
        (b'  {"prompt"', "neither UTF-8 text nor a JSON object"),
        (b"\xff", "neither UTF-8 text nor a JSON object"),
        (b'{"prompt": "x", "attachments": [{}]}', "takes no attachments"),
    ],
)
async def test_what_is_no_prompt_is_refused_with_what_is_wrong(agents, data, says):
    ack, error, end = await parts_of(
        agents.connection, "agents.prompt.civitas.research-team.here", data
    )
    assert json.loads(ack.data) == {"type": "status", "data": "ack"}
    assert error.headers["Nats-Service-Error-Code"] == "400"
    assert says in error.headers["Nats-Service-Error"]
    assert says in json.loads(error.data)["message"]
    assert (end.data, end.headers) == (b"", None)


@pytest.mark.promise(id="SEM-1509")
async def test_a_run_whose_caller_is_gone_is_cancelled(server, tmp_path, monkeypatch):
    # The first part of a prompt is not waited 20 s for.
    monkeypatch.setattr("civitas.edge.nats_agents.prompting._KEEPALIVE", 0.05)
    file = tmp_path / "file"
    config = over_nats(server, speaker("here")) | {"name": "short"}
    async with Runtime.from_config(config):
        caller = await nats.connect(server.url)
        inbox = await caller.subscribe(caller.new_inbox())
        subject = "agents.prompt.civitas.short.here"
        await caller.publish(subject, f"wait {file}".encode(), reply=inbox.subject)
        await until(lambda: lines(file) == ["began"])
        await inbox.next_msg(5)
        assert json.loads((await inbox.next_msg(5)).data)["data"] == "keepalive"
        await caller.close()
        await until(lambda: lines(file) == ["began", "cancelled"])


@pytest.mark.promise(id="SEM-1509")
async def test_a_stop_answers_what_is_under_way_and_nobody_finds_the_agents_any_more(
    agents, server
):
    config = over_nats(server, speaker("here")) | {"name": "stopping"}
    async with Runtime.from_config(config):
        agent = await found(agents, owner="stopping")
        stream = aiter(agent.prompt("count 2000"))
        await anext(stream)
    parts = [part async for part in stream if isinstance(part, ResponseChunk)]
    assert parts[-1].text == "1999 "
    assert all(each.owner != "stopping" for each in await agents.discover(stall=0.1))
