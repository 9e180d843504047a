"""`civitas runs`: what durable agents have in hand, looked at and ended from outside."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from civitas.control import ControlServer, state_folder
from civitas.frameworks import Part
from civitas.runtime import Runtime
from civitas.state import SQLiteStateStore
from civitas.supervision import Supervisor
from civitas.topology.state_folder import open_state_folder
from tests.core.cli.support import Result
from tests.core.frameworks.machine import Machine, MachineAgent
from tests.core.support import Actor, Journal, eventually

Beside = Callable[..., Awaitable[Result]]
Civitas = Callable[..., Result]


@pytest.fixture
def topology(tmp_path: Path) -> Path:
    """A topology of which nothing but name and state can be read."""
    topology = tmp_path / "topology.yaml"
    state = "state: {type: sqlite, path: state.db}"
    topology.write_text(f"{state}\nsupervision: {{children: [agent: {{name: ${{NOT_SET}}}}]}}\n")
    return topology


class Shop(Actor):
    """An actor that is stopped at once, and calls no model."""

    def __init__(self, journal: Journal) -> None:
        super().__init__("shop", journal, delivery="durable", shutdown_timeout=0)


class Desk(MachineAgent):
    """An agent whose models use something, and that may ask a human."""

    async def run_framework(self, run: Any) -> Any:
        run.used(1, 1200, 34)
        return await super().run_framework(run)


def system(topology: Path, journal: Journal) -> Runtime:
    store = partial(SQLiteStateStore, topology.parent / "state.db")
    desk = Desk("desk", machine=Machine(), durable=True)
    supervisor = Supervisor("root", [Shop(journal), desk], backoff="none")
    return Runtime(supervisor, state_store=store, drain_timeout=0.05)


async def begin(runtime: Runtime, journal: Journal) -> None:
    """One run that is done, one that failed, one that waits for a human, one in hand, one behind it."""
    await runtime.ask("shop", {"item": "book"}, run="order-17")
    await runtime.send("shop", None, "crash", run="broken")
    await runtime.ask("desk", ["ask"], conversation="c", run="asks")
    await runtime.send("shop", 1, "hold", run="slow")
    await journal.until("hold shop")
    await runtime.send("shop", {"item": "tea"}, run="next")
    await eventually(lambda: len(runtime.runs("failed")) == 1)


@pytest.fixture
async def running(topology: Path, journal: Journal) -> AsyncIterator[Runtime]:
    """The system, which can be reached from outside."""
    async with system(topology, journal) as runtime:
        await begin(runtime, journal)
        folder = state_folder("civitas", topology)
        open_state_folder(folder)
        async with ControlServer(runtime, folder):
            yield runtime


@pytest.fixture
def left(topology: Path, journal: Journal) -> Path:
    """The topology of a system that was stopped in the middle of its runs."""

    async def run() -> None:
        async with system(topology, journal) as runtime:
            await begin(runtime, journal)

    asyncio.run(run())
    return topology


def column(result: Result, number: int) -> list[str]:
    return [line.split()[number] for line in result.out.splitlines()]


ALL = ["order-17", "broken", "asks", "slow", "next"]


@pytest.mark.promise(id="SEM-1645")
async def test_list_shows_the_runs_of_a_running_system(
    beside: Beside, topology: Path, running: Runtime
) -> None:
    result = await beside("runs", "list", topology)
    assert (result.code, result.err) == (0, "")
    assert column(result, 0) == ["run", *ALL]
    assert column(result, 2) == ["status", "done", "failed", "waiting", "running", "accepted"]
    assert "a human: 0" in result.out
    assert result.out.splitlines()[3].rstrip().endswith("1 call, 1234 tokens")
    some = await beside("runs", "list", topology, "--status", "accepted", "--agent", "shop")
    assert column(some, 0) == ["run", "next"]
    none = await beside("runs", "list", topology, "--status", "expired", "--agent", "desk")
    assert none == Result(0, "", f"{topology}: no runs that are expired of 'desk'\n")


@pytest.mark.promise(id="SEM-1645")
async def test_a_run_of_a_running_system_is_shown_waited_for_and_cancelled(
    beside: Beside, topology: Path, running: Runtime
) -> None:
    shown = json.loads((await beside("runs", "show", topology, "slow", "--json")).out)
    assert (shown["status"], shown["deliveries"], shown["agent"]) == ("running", 1, "shop")
    assert shown["since"] <= shown["begun"]
    late = await beside("runs", "result", topology, "slow", "--timeout", "0.1")
    assert (late.code, "--timeout" in late.err) == (1, True)
    waiting = asyncio.ensure_future(beside("runs", "result", topology, "next"))
    done = await beside("runs", "cancel", topology, "slow")
    assert done == Result(0, f"{topology}: run 'slow' cancelled\n", "")
    assert json.loads((await waiting).out) == {"item": "tea"}
    again = await beside("runs", "cancel", topology, "slow")
    assert (again.code, again.out) == (1, "")
    assert "the run 'slow' is over" in again.err
    assert [each.status for each in running.runs() if each.run == "slow"] == ["cancelled"]
    unknown = await beside("runs", "cancel", topology, "nothing")
    assert (unknown.code, "there is no run 'nothing'" in unknown.err) == (1, True)


@pytest.mark.promise(id="SEM-1645")
async def test_a_name_given_on_the_command_line_is_that_of_the_run(
    beside: Beside, topology: Path, running: Runtime
) -> None:
    await beside("runs", "cancel", topology, "slow")
    asked = await beside("ask", topology, "shop", '{"item": "book"}', "--run", "order-17")
    assert json.loads(asked.out) == {"item": "book"}
    other = await beside("ask", topology, "shop", '{"item": "tea"}', "--run", "order-17")
    assert (other.code, "`civitas runs result` has the answer" in other.err) == (1, True)
    assert (await beside("send", topology, "shop", "1", "--run", "sent")).code == 0
    assert json.loads((await beside("runs", "result", topology, "sent")).out) == 1


@pytest.mark.promise(id="SEM-1645")
def test_without_a_running_system_the_runs_are_those_of_the_store(
    civitas: Civitas, left: Path
) -> None:
    result = civitas("runs", "list", left)
    assert (result.code, result.err) == (0, "")
    assert column(result, 0) == ["run", *ALL]
    assert column(result, 2) == ["status", "done", "failed", "waiting", "accepted", "accepted"]
    facts = json.loads(civitas("runs", "list", left, "--status", "failed", "--json").out)
    assert [(each["run"], each["error"]) for each in facts] == [
        ("broken", "ValueError: shop crashes")
    ]
    lines = civitas("runs", "show", left, "asks").out.splitlines()
    shown = dict(line.split(None, 1) for line in lines)
    assert json.loads(shown["waits_for"]) == [{"for": "human", "id": "0"}]
    assert json.loads(shown["usage"])["total_tokens"] == 1234


@pytest.mark.promise(id="SEM-1645")
def test_without_a_running_system_answers_are_read_and_runs_are_cancelled(
    civitas: Civitas, left: Path, journal: Journal
) -> None:
    assert json.loads(civitas("runs", "result", left, "order-17").out) == {"item": "book"}
    failed = civitas("runs", "result", left, "broken")
    assert (failed.code, "ValueError: shop crashes" in failed.err) == (1, True)
    asked = civitas("runs", "result", left, "asks")
    assert "'desk' waits for an answer: civitas ask" in asked.err
    none = civitas("runs", "result", left, "next")
    assert (none.code, "goes on when the system is started" in none.err) == (1, True)
    done = civitas("runs", "cancel", left, "slow")
    assert done == Result(0, f"{left}: run 'slow' cancelled\n", "")
    assert civitas("runs", "cancel", left, "slow").code == 1

    async def run() -> list[str]:
        async with system(left, journal) as runtime:
            await runtime.result("next", timeout=5)
            return [each.status for each in runtime.runs() if each.run in ("slow", "next")]

    assert asyncio.run(run()) == ["cancelled", "done"]


@pytest.mark.promise(id="SEM-1645")
def test_a_run_that_a_program_has_in_hand_is_not_cancelled_behind_its_back(
    civitas: Civitas, topology: Path, journal: Journal
) -> None:
    async def run() -> Result:
        async with system(topology, journal) as runtime:
            await begin(runtime, journal)
            return await asyncio.to_thread(civitas, "runs", "cancel", topology, "slow")

    result = asyncio.run(run())
    assert (result.code, "runtime.cancel" in result.err) == (1, True)


def test_to_look_for_runs_makes_no_store(civitas: Civitas, topology: Path) -> None:
    assert civitas("runs", "list", topology) == Result(0, "", f"{topology}: no runs\n")
    assert "there is no run 'x'" in civitas("runs", "show", topology, "x").err
    assert [each.name for each in topology.parent.iterdir()] == [topology.name]


class Shaped(Desk):
    """A desk with tools, which a later version may have lost."""

    has: tuple[str, ...] = ("look", "refund")

    def shape(self) -> list[Part]:
        return [Part("tool", each) for each in self.has]


class Later(Shaped):
    has = ("look",)


@pytest.mark.promise(id="SEM-1689")
async def test_a_run_that_is_held_is_shown_with_what_has_changed(
    beside: Beside, topology: Path
) -> None:
    def desk(kind: type[Shaped], machine: Machine) -> Runtime:
        store = partial(SQLiteStateStore, topology.parent / "state.db")
        child = kind("desk", machine=machine, durable=True, shutdown_timeout=0)
        return Runtime(Supervisor("root", [child]), state_store=store, drain_timeout=0.05)

    machine = Machine()
    async with desk(Shaped, machine) as runtime:
        await runtime.send("desk", ["a", "hang"], run="order-17")
        await machine.began.wait()
    async with desk(Later, Machine()) as runtime:
        await eventually(lambda: runtime.runs("held"))
        folder = state_folder("civitas", topology)
        open_state_folder(folder)
        async with ControlServer(runtime, folder):
            listed = await beside("runs", "list", topology, "--status", "held")
            shown = await beside("runs", "show", topology, "order-17")
            result = await beside("runs", "result", topology, "order-17")
    assert "other code: tool 'refund' is gone" in listed.out
    assert "on_change='go_on'" in shown.out
    assert (result.code, "`civitas runs cancel` ends it" in result.err) == (1, True)
