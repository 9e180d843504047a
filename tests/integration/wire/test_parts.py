"""What agents of other OS processes are given: models, tools, classes, plugins; and the format on the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

import pytest

from civitas import (
    ConfigurationError,
    InMemoryStateStore,
    ModelResponse,
    PayloadError,
    Runtime,
    TopologyError,
    hookimpl,
)
from civitas.message import MAX_PAYLOAD, Serializer, new_id, serialization
from civitas.testing import ScriptedModel
from tests.integration.wire import plugin
from tests.integration.wire.agents import Hand
from tests.integration.wire.conftest import ROUTES, System, agent, topology
from tests.integration.wire.tools import add

TOPOLOGY = topology()


class Waits:
    """A model that never answers, and tells when a call was cancelled."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.cancelled = asyncio.Event()

    async def chat(
        self, model: str, messages: Sequence[Mapping[str, Any]], tools: Any = None
    ) -> ModelResponse:
        self.asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        raise AssertionError


@pytest.mark.promise(id="SEM-873")
async def test_a_model_given_in_python_answers_agents_of_every_process() -> None:
    model = ScriptedModel(
        [ModelResponse("42", model="m-exact", tokens_in=3), "with tools", RuntimeError("no quota")]
    )
    async with Runtime.from_config(TOPOLOGY, model_provider=model, tools=[add]) as runtime:
        system = System(runtime)
        assert await system.tell("w_one", "llm", "?") == ["42", 3, "m-exact"]
        assert await system.tell("v_one", "llm_with_tools") == "with tools"
        assert [call.tools for call in model.calls] == [(), ("add",)]
        found = await system.ask("r_one", "w_one", "?", "llm")
        assert found["facts"]["error_type"] == "RuntimeError"
        assert found["facts"]["error_message"] == "no quota"


@pytest.mark.promise(id="SEM-873")
async def test_tools_given_in_python_are_called_from_every_process() -> None:
    async with Runtime.from_config(TOPOLOGY, tools=[add]) as runtime:
        system = System(runtime)
        for letter in "wv":
            assert await system.tell(f"{letter}_one", "has") == [False, True]
            tools = await system.tell(f"{letter}_one", "tools")
            description, parameters = tools["add"]
            assert description.startswith("Add two numbers")
            assert parameters["properties"].keys() == {"a", "b"}
            assert await system.tell(f"{letter}_one", "tool", {"name": "add", "a": 1, "b": 2}) == 3
            wrong = await system.tell(f"{letter}_one", "tool", {"name": "add", "a": "x"})
            assert wrong[0] == "ValueError"
            wrong = await system.tell(f"{letter}_one", "tool", {"name": "ad", "a": 1})
            assert wrong[0] == "UnknownTool"
            assert "add" in wrong[1]


@pytest.mark.promise(id="SEM-873")
async def test_a_cancelled_handler_cancels_its_call_of_the_model() -> None:
    model = Waits()
    config = topology(agent("patient", process="worker", cancel_on_timeout=True))
    async with Runtime.from_config(config, model_provider=model) as runtime:
        asking = asyncio.create_task(runtime.ask("patient", "?", "llm"))
        await asyncio.wait_for(model.asked.wait(), 5)
        asking.cancel()
        await asyncio.wait_for(model.cancelled.wait(), 5)


async def test_without_a_model_and_tools_agents_elsewhere_have_none() -> None:
    async with Runtime.from_config(TOPOLOGY) as runtime:
        assert await System(runtime).tell("w_one", "has") == [False, False]


RICH = {
    "when": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    "id": UUID(int=7),
    "price": Decimal("1.10"),
    "set": {1, 2},
    "raw": b"\x00\xff",
    "text": "snow ☃",
    "nested": [{"a": None}, True, -1, 2.5],
}


@pytest.fixture(params=["msgpack", "json in the topology", "json in the environment"])
async def formats(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[System, set[bytes]]]:
    """A system with a wire format, and the first bytes of the messages that the root read."""
    config = dict(TOPOLOGY)
    if request.param == "json in the topology":
        config["serializer"] = "json"
    elif request.param == "json in the environment":
        monkeypatch.setenv("CIVITAS_SERIALIZER", "json")
    from civitas.cluster.letters import incoming, outgoing

    seen: set[bytes] = set()

    def loads(frame: bytes) -> Any:
        seen.add(frame[:1])
        return serialization.loads(frame)

    for module in (incoming, outgoing):
        monkeypatch.setattr(module, "loads", loads)
    async with Runtime.from_config(config) as runtime:
        yield System(runtime), seen
    assert (seen == {b"{"}) == (request.param != "msgpack")


@pytest.mark.promise(id="SEM-874")
async def test_payloads_arrive_as_they_were_sent_in_either_format(
    formats: tuple[System, set[bytes]],
) -> None:
    system, _ = formats
    for asker, asked in (("r_one", "w_one"), ("w_one", "r_one"), ("w_one", "v_one")):
        assert (await system.ask(asker, asked, RICH))["payload"] == RICH
    assert (await system.ask("v_one", "w_one", None, "crash"))["error"] == "HandlerFailed"


@pytest.mark.promise(id="SEM-874")
def test_a_format_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIVITAS_SERIALIZER", "xml")
    with pytest.raises(ConfigurationError, match=r"one of msgpack, json; got 'xml'"):
        Runtime.from_config(TOPOLOGY)
    assert list(Serializer) == ["msgpack", "json"]


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.promise(id="SEM-875")
async def test_the_largest_payload_goes_to_another_process_and_back() -> None:
    largest = b"x" * (MAX_PAYLOAD - 5)  # five bytes say what it is and how long
    async with Runtime.from_config(TOPOLOGY) as runtime:
        assert (await runtime.ask("w_one", largest, "echo")).payload == largest
        found = await System(runtime).outcome(runtime.ask("w_one", largest + b"x", "echo"))
        assert found["error"] == "PayloadError"
        assert (await runtime.ask("w_one", 1, "echo")).payload == 1


@pytest.mark.promise(id="SEM-876")
async def test_short_names_of_classes_are_known_in_every_process() -> None:
    config = topology({"agent": {"name": "short", "type": "Short", "process": "worker"}})
    async with Runtime.from_config(config, agent_classes={"Short": Hand}) as runtime:
        assert (await runtime.ask("short", 1, "echo")).payload == 1


@pytest.mark.promise(id="SEM-876")
def test_a_class_that_another_process_cannot_import_is_refused_where_it_is_to_run_there() -> None:
    class Local(Hand):
        """Made in a function."""

    elsewhere = topology({"agent": {"name": "short", "type": "Short", "process": "worker"}})
    with pytest.raises(ConfigurationError, match="define it in a module of its own"):
        Runtime.from_config(elsewhere, agent_classes={"Short": Local})
    here = topology({"agent": {"name": "short", "type": "Short"}})
    Runtime.from_config(here, agent_classes={"Short": Local})


@pytest.mark.promise(id="SEM-876")
def test_a_short_name_for_a_process_that_is_started_elsewhere_is_refused() -> None:
    entry = {"agent": {"name": "short", "type": "Short", "process": "worker"}}
    config = topology(
        entry,
        processes={"worker": {"start": False}, "other": {"start": False}},
        transport={"type": "zmq", "address": "tcp://127.0.0.1:45678"},
    )
    with pytest.raises(TopologyError, match=r"write package\.module\.Class: .*agents\.Hand"):
        Runtime.from_config(config, agent_classes={"Short": Hand})


@pytest.mark.promise(id="SEM-874")
@pytest.mark.parametrize("serializer", ["msgpack", "json"])
async def test_half_a_character_is_refused_at_the_sender(serializer: str) -> None:
    half = "\ud800"
    async with Runtime.from_config(topology(serializer=serializer)) as runtime:
        for hand_over in (runtime.ask, runtime.send):
            with pytest.raises(PayloadError, match="message_type"):
                await hand_over("w_one", 1, half)
            with pytest.raises(PayloadError, match="conversation"):
                await hand_over("w_one", 1, conversation=half)
            with pytest.raises(PayloadError, match="headers"):
                await hand_over("w_one", 1, headers={"key": half})
        assert (await runtime.ask("w_one", 1, "echo")).payload == 1


@pytest.mark.promise(id="SEM-877")
@pytest.mark.parametrize(("here", "there"), ROUTES)
async def test_what_waits_between_other_processes_is_handled_before_a_stop(
    here: str, there: str
) -> None:
    count = 300
    async with Runtime.from_config(TOPOLOGY) as runtime:
        system = System(runtime)
        letters = system.told("dead_letter")
        gate = new_id()
        holding = asyncio.create_task(runtime.ask(f"{there}_one", gate, "hold"))
        await system.wrote(f"{there}_one", "hold")
        await system.tell(f"{here}_one", "send_many", {"to": f"{there}_one", "count": count})
        # Each message that is handled sends one on, so that there is work until the last one is through.
        for _ in range(20):
            order = {"to": f"{here}_one", "payload": 1, "message_type": "echo"}
            await runtime.send(f"{there}_one", order, "send")
        await system.open(there, gate)
        await holding
        await runtime.stop()
        assert letters == []


@pytest.mark.promise(id="SEM-879")
async def test_a_plugin_that_is_a_module_is_there_in_every_process() -> None:
    placed = {"agent": {"name": "typed", "type": "hand", "process": "worker"}}
    config = topology(placed, tools=[{"type": "adds"}])
    async with Runtime.from_config(config, plugins=[plugin]) as runtime:
        assert await System(runtime).tell("typed", "tool", {"name": "add", "a": 1}) == 2


class Own(InMemoryStateStore):
    """A store that remembers who was made of it."""

    made: ClassVar[list[Own]] = []

    def __init__(self) -> None:
        super().__init__()
        self.made.append(self)


class Answers(ScriptedModel):
    """A model that has one answer."""

    def __init__(self) -> None:
        super().__init__(["42"])


class Provides:
    """A plugin that is an object: it cannot be made again in another process."""

    @hookimpl
    def civitas_state_stores(self) -> dict[str, Any]:
        return {"own": Own}

    @hookimpl
    def civitas_model_providers(self) -> dict[str, Any]:
        return {"answers": Answers}


@pytest.mark.promise(id="SEM-879")
async def test_what_a_plugin_that_is_an_object_provides_is_lent_to_every_process() -> None:
    config = topology(state={"type": "own"}, model={"type": "answers"})
    async with Runtime.from_config(config, plugins=[Provides()]) as runtime:
        system = System(runtime)
        assert (await system.tell("w_one", "llm", "?"))[0] == "42"
        assert await system.tell("v_one", "count") == 1
        assert await Own.made[-1].get("v_one") == {"n": 1}


@pytest.mark.promise(id="SEM-857")
async def test_a_producer_is_cancelled_when_the_process_of_its_reader_dies() -> None:
    async with Runtime.from_config(TOPOLOGY) as runtime:
        system = System(runtime)
        order = {"to": "w_one", "gate": "never"}
        await runtime.send("v_one", order, "hold_stream")
        await system.wrote("v_one", "reads")
        await runtime.send("v_keeper", None, "kill")
        await system.wrote("w_one", "left")
        assert (await runtime.ask("w_one", "lives", "echo")).payload == "lives"
        assert (await runtime.ask("v_one", "is back", "echo")).payload == "is back"
