"""`civitas ask` and `civitas send`: two processes, one socket."""

from __future__ import annotations

import asyncio
import json
import signal
import textwrap
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.core.cli.support import Result, Running, Terminal

# Real processes, each with an interpreter to start: a busy machine needs its time.
pytestmark = pytest.mark.timeout(60)

Start = Callable[..., Awaitable[Running]]
Beside = Callable[..., Awaitable[Result]]
OnTerminal = Callable[..., Awaitable[Terminal]]
Project = Callable[..., Path]
Civitas = Callable[..., Result]

AGENT = """
import datetime, decimal, uuid
from civitas import HandlerFailed, Message

VALUES = {
    "when": datetime.datetime(2026, 11, 22, 20, 15, tzinfo=datetime.timezone.utc),
    "raw": b"text",
    "bytes": b"\\xff\\x00",
    "set": {3, 1, 2},
    "price": decimal.Decimal("1.50"),
    "id": uuid.UUID(int=1),
    "none": float("nan"),
    7: "seven",
}


class Helper(AgentProcess):
    async def handle(self, message):
        match message.type:
            case "message":
                who = message.headers.get("user")
                print("got", message.payload, message.conversation, who, flush=True)
                return self.reply(message.payload)
            case "values":
                return self.reply(VALUES)
            case "crash":
                raise ValueError("too hot, timeout=5")
            case "stuck":
                print("stuck", flush=True)
                time.sleep(60)
            case "approve":
                return Message(
                    type="interrupt", recipient="", payload={"interrupts": []}, conversation="c 1"
                )
            case "slow":
                print("working", flush=True)
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    print("withdrawn", flush=True)
                    raise
"""


@pytest.fixture
async def running(start: Start, project: Project) -> tuple[Path, Running]:
    """The topology of a running system with one agent, `helper`, and the system."""
    topology = project(AGENT, "name: helper, type: team.Helper, cancel_on_timeout: true")
    run = await start("run", topology)
    await run.until("ready")
    return topology, run


@pytest.mark.promise(id="SEM-807")
async def test_the_reply_is_one_line_of_json_in_a_pipe(
    start: Start, running: tuple[Path, Running]
) -> None:
    topology, run = running
    payload = {"by": 2, "text": 'größe "x"\n', "list": [None, True, 1.5]}
    more = ["--conversation", "c1", "--header", "user=ada=x"]
    asked = await start("ask", topology, "helper", json.dumps(payload), *more)
    done = await asked.end()
    assert (done.code, done.err) == (0, "")
    (line,) = done.out.splitlines()
    assert json.loads(line) == payload
    assert (await run.until("got")).endswith(" c1 ada=x")


async def test_the_reply_is_indented_on_a_terminal(
    terminal: OnTerminal, running: tuple[Path, Running]
) -> None:
    asked = await terminal("ask", running[0], "helper", '{"n": [1]}')
    assert await asked.end() == 0
    assert asked.text.split() == ["{", '"n":', "[", "1", "]", "}"]


async def test_what_json_has_no_form_for_is_printed_readably(
    beside: Beside, running: tuple[Path, Running]
) -> None:
    done = await beside("ask", running[0], "helper", "null", "--type", "values")
    assert done.code == 0
    assert json.loads(done.out) == {
        "when": "2026-11-22T20:15:00+00:00",
        "raw": "text",
        "bytes": "0xff00",
        "set": [1, 2, 3],
        "price": "1.50",
        "id": "00000000-0000-0000-0000-000000000001",
        "none": "nan",
        "7": "seven",
    }


async def test_raw_prints_text_as_it_is(beside: Beside, running: tuple[Path, Running]) -> None:
    done = await beside("ask", running[0], "helper", r'"a\n\"b\""', "--raw")
    assert done.out.strip() == 'a\n"b"'


async def test_a_dash_reads_the_payload_from_stdin(
    start: Start, running: tuple[Path, Running], tmp_path: Path
) -> None:
    file = tmp_path / "payload.json"
    file.write_text('{\n  "n": 1\n}\n')
    with file.open("rb") as stdin:
        done = await (await start("ask", running[0], "helper", "-", stdin=stdin)).end()
    assert done.out.strip() == '{"n": 1}'


@pytest.mark.promise(id="SEM-807")
async def test_send_prints_nothing_and_the_agent_gets_it(
    beside: Beside, running: tuple[Path, Running]
) -> None:
    topology, run = running
    done = await beside("send", topology, "helper", '{"n": 1}')
    assert done == Result(0, "", "")
    await run.until("got {'n': 1} None")


@pytest.mark.promise(id="SEM-817")
async def test_nothing_but_the_name_of_the_topology_is_read(
    beside: Beside, running: tuple[Path, Running], tmp_path: Path
) -> None:
    topology, _ = running
    (tmp_path / "team.py").write_text("raise SystemExit('imported')\n")
    topology.write_text(topology.read_text() + "    - agent: {nme: ${NOT_SET_HERE}}\n")
    assert (await beside("ask", topology, "helper", "1")).out.strip() == "1"


# What goes wrong.


async def refused(beside: Beside, *arguments: object) -> str:
    """The line on stderr of a command that must fail."""
    done = await beside(*arguments)
    assert (done.code, done.out.strip()) == (1, "")
    (line,) = done.err.splitlines()
    return line


async def test_an_unknown_name_is_answered_with_the_nearest(
    beside: Beside, running: tuple[Path, Running]
) -> None:
    line = await refused(beside, "ask", running[0], "helpr", "1")
    assert line == "civitas: no agent is named 'helpr'; did you mean 'helper'?"
    line = await refused(beside, "send", running[0], "zzz", "1")
    assert line.endswith(f"`civitas top {running[0]} --once` lists the agents there are")


async def test_a_slow_agent_is_given_up_after_the_timeout(
    beside: Beside, running: tuple[Path, Running]
) -> None:
    topology, run = running
    line = await refused(
        beside, "ask", topology, "helper", "1", "--type", "slow", "--timeout", "0.2"
    )
    assert line.startswith("civitas: 'helper' did not answer 'slow' within 0.2 s")
    assert "Give it a longer --timeout" in line
    await run.until("withdrawn")


async def test_ctrl_c_withdraws_what_was_asked(start: Start, running: tuple[Path, Running]) -> None:
    topology, run = running
    asked = await start("ask", topology, "helper", "1", "--type", "slow")
    await run.until("working")
    asked.signal(signal.SIGINT)
    assert await asked.end() == Result(130, "", "")
    await run.until("withdrawn")


async def test_a_handler_that_raises_is_one_line_and_its_traceback_with_verbose(
    beside: Beside, running: tuple[Path, Running]
) -> None:
    line = await refused(beside, "ask", running[0], "helper", "1", "--type", "crash")
    assert line.startswith("civitas: 'helper' failed: ValueError: too hot, timeout=5.")
    assert "--verbose shows where" in line
    assert "remote_traceback" not in line
    done = await beside("ask", running[0], "helper", "1", "--type", "crash", "--verbose")
    assert done.code == 1
    assert 'raise ValueError("too hot, timeout=5")' in done.err


async def test_a_stop_for_a_human_says_how_to_answer(
    beside: Beside, running: tuple[Path, Running]
) -> None:
    done = await beside("ask", running[0], "helper", "1", "--type", "approve")
    assert json.loads(done.out) == {"interrupts": []}
    assert "--type resume --conversation 'c 1'" in done.err


@pytest.mark.promise(id="SEM-809")
async def test_a_system_that_does_not_run_says_how_to_start_it(
    beside: Beside, project: Project
) -> None:
    topology = project(AGENT, "name: helper, type: team.Helper", top="name: crew")
    for command in ("ask", "send"):
        line = await refused(beside, command, topology, "helper", "1")
        assert line == (
            f"civitas: system 'crew' is not running here; start it with `civitas run {topology}`"
        )


@pytest.mark.promise(id="SEM-809")
async def test_a_system_whose_loop_is_stuck_is_said_so(
    start: Start, beside: Beside, running: tuple[Path, Running]
) -> None:
    topology, run = running
    await start("send", topology, "helper", "1", "--type", "stuck")
    await run.until("stuck")
    line = await refused(beside, "ask", topology, "helper", "1", "--timeout", "0.1")
    assert line.startswith("civitas: system 'civitas' is running but did not answer for 5.1 s: ")
    assert "the event loop of 'root' has been blocked by agent 'helper' for" in line


@pytest.mark.promise(id="SEM-809")
async def test_a_system_that_is_killed_meanwhile_is_said_so(
    start: Start, running: tuple[Path, Running]
) -> None:
    topology, run = running
    asked = await start("ask", topology, "helper", "1", "--type", "slow")
    await run.until("working")
    run.signal(signal.SIGKILL)
    done = await asked.end()
    assert done.code == 1
    assert "is down (the system stopped)" in done.err


async def test_a_system_that_stops_answers_what_it_was_asked_and_takes_no_more(
    start: Start, beside: Beside, project: Project
) -> None:
    source = """
    class Waits(AgentProcess):
        async def handle(self, message):
            print("working", flush=True)
            while not os.path.exists(message.payload):
                await asyncio.sleep(0.01)
            return self.reply("done")
    """
    topology = project("import os\n" + textwrap.dedent(source), "name: w, type: team.Waits")
    run = await start("run", topology)
    await run.until("ready")
    go = topology.parent / "go"
    asking = asyncio.ensure_future(beside("ask", topology, "w", json.dumps(str(go))))
    await run.until("working")
    run.signal(signal.SIGTERM)
    await run.until("stopping")
    late = await start("ask", topology, "w", "1")
    refused = await late.end()
    go.touch()
    assert refused == Result(1, "", "civitas: the system accepts no more work: it is stopping\n")
    assert (await asking).out == '"done"\n'
    assert (await run.end()).code == 0


# Payloads that are none; no system is needed to say so.


@pytest.mark.promise(id="SEM-804")
@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ("{n: 1}", "not JSON, line 1, column 2 at 'n: 1}': Expecting property name"),
        ('{"n": 1', "not JSON, line 1, column 8, where it ends: Expecting ',' delimiter"),
        ('{\n"n": x}', "not JSON, line 2, column 6 at 'x}'"),
        ("hello", "not JSON, line 1, column 1 at 'hello': Expecting value"),
        ("", "nothing. Put it in single quotes"),
        ('{"a": 1, "a": 2}', "the key 'a' appears twice in one object"),
        ("[" * 100_000, "nested too deeply"),
        ('{"n": NaN}', "not JSON: NaN, which only Python reads"),
    ],
    ids=lambda value: value[:12],
)
def test_bad_json_is_a_usage_error_with_its_place(
    civitas: Civitas, payload: str, words: str
) -> None:
    result = civitas("ask", "topology.yaml", "a", payload)
    assert (result.code, result.out) == (2, "")
    (line,) = result.err.splitlines()
    assert line.startswith("civitas ask: Invalid value for 'JSON': ")
    assert words in line
    assert line.endswith("Try 'civitas ask --help'")


def test_json_that_no_message_can_carry_is_named_by_its_path(
    civitas: Civitas, project: Project
) -> None:
    topology = project(AGENT, "name: helper, type: team.Helper")
    result = civitas("ask", topology, "helper", '{"n": [1, 99999999999999999999]}')
    assert result.code == 1
    assert result.err.startswith("civitas: payload.n[1]: an int of more than 64 bits")


@pytest.mark.parametrize("value", ["0", "-1", "inf", "nan", "soon"])
def test_a_timeout_that_is_none_is_a_usage_error(civitas: Civitas, value: str) -> None:
    result = civitas("ask", "topology.yaml", "a", "1", f"--timeout={value}")
    assert result.code == 2
    assert len(result.err.splitlines()) == 1
    assert "--timeout" in result.err
