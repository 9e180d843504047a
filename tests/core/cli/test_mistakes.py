"""Mistakes in a topology, each answered in one line with its place and what to do."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from civitas import AgentProcess, Message
from tests.core.cli.support import Result, Running


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def to_file(text: str) -> Path:
        file = tmp_path / "t.yaml"
        file.write_text(text)
        return file

    return to_file


def child(kind: str = "agent", **keys: object) -> str:
    entry = {"name": "a", "type": "tests.integration.wire.agents:Hand", **keys}
    text = ", ".join(f"{key}: {value}" for key, value in entry.items())
    return f"supervision:\n  children:\n    - {kind}: {{{text}}}\n"


def _transport(address: str) -> str:
    return f"transport: {{type: zmq, address: '{address}'}}\n" + child(process="w")


class Styled(AgentProcess):
    def __init__(self, name: str, style: str, **keywords: Any) -> None:
        super().__init__(name, **keywords)

    async def handle(self, message: Message) -> None: ...


class Deaf(AgentProcess):
    async def handle(self) -> None: ...  # type: ignore[override]


@pytest.mark.promise(id="SEM-1168")
@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("processes:\n  w: {cwd: nowhere}\n" + child(process="w"), 2, "there is no folder"),
        ("processes:\n  w: {python: nowhere}\n" + child(process="w"), 2, "is not an interpreter"),
        (child("conversation_pool", idle_timout=5), 3, "did you mean 'idle_timeout'?"),
        (child(process="w", replica=2), 3, "did you mean 'replicas'?"),
        ("supervision: {children: []}", 1, "there is no agent in it"),
        (
            "supervision:\n  children:\n    - supervisor: {name: s, children: []}",
            1,
            "there is no agent in it",
        ),
        ("state: {type: sqlite, path: .}\n" + child(), 1, "it is a folder"),
        ("state: {type: sqlite, path: no/x.db}\n" + child(), 1, "there is no folder"),
        (_transport("tcp://127.0.0.1:70000"), 1, "'tcp://127.0.0.1:70000' is not an address"),
        (_transport("127.0.0.1:7000"), 1, "is not an address; write tcp://HOST:PORT"),
        (
            "transport: {type: in_process, address: x}\n" + child(process="w"),
            1,
            "unknown key 'address' in transport 'in_process'",
        ),
        ("processes:\n  w: {env: {A=B: c}}\n" + child(process="w"), 2, "is not the name of an env"),
        ('processes:\n  w: {env: {A: "\\0"}}\n' + child(process="w"), 2, "'A' holds U+0000"),
        (child(process="w", replicas=100_000), 3, "'replicas' must be a whole number <= 1000"),
        (
            child(type="tests.core.cli.test_mistakes:Styled", args="{stile: x}"),
            3,
            "Styled needs 'style'; is 'stile' meant for it?",
        ),
        (
            child(type="tests.core.cli.test_mistakes:Deaf"),
            3,
            "Deaf.handle cannot be called as it is; write `async def handle(self, message)`",
        ),
    ],
)
def test_a_mistake_is_one_line_with_its_place(
    civitas: Callable[..., Result],
    write: Callable[[str], Path],
    text: str,
    line: int,
    says: str,
) -> None:
    file = write(text)
    found = civitas("topology", "validate", file)
    assert found.code == 1
    assert found.out == ""
    (said,) = found.err.splitlines()
    assert said.startswith(f"{file}:{line}: ")
    assert says in said


@pytest.mark.promise(id="SEM-1168")
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("processes:\n  w: {cwd: nowhere}\n" + child(process="w"), "2: process 'w': there is no"),
        ("supervision: {children: []}", "1: there is no agent in it"),
    ],
)
def test_what_the_root_itself_can_see_is_told_before_anything_starts(
    civitas: Callable[..., Result], write: Callable[[str], Path], text: str, says: str
) -> None:
    file = write(text)
    found = civitas("run", file)
    assert (found.code, found.out) == (1, "")
    assert found.err.startswith(f"{file}:{says}")


@pytest.mark.promise(id="SEM-1168")
async def test_a_state_file_that_cannot_be_is_no_fault_of_the_first_agent(
    start: Callable[..., Awaitable[Running]], write: Callable[[str], Path], tmp_path: Path
) -> None:
    file = write(f"state: {{type: sqlite, path: {tmp_path}/none/state.db}}\n{child()}")
    found = await (await start("run", file)).end()
    assert found.code == 1
    assert found.err.startswith(
        f"{file}:1: cannot use the state store {tmp_path}/none/state.db: there is no folder"
    )


@pytest.mark.promise(id="SEM-1168")
@pytest.mark.parametrize("text", ["1e400", "[-1e999]"])
def test_a_number_that_nothing_can_hold_is_refused(
    civitas: Callable[..., Result], write: Callable[[str], Path], text: str
) -> None:
    found = civitas("ask", write(child()), "a", text)
    assert found.code == 2
    assert "is larger than any number that can be sent; send it as text" in found.err
