"""The examples, as a reader runs them."""

from __future__ import annotations

import ast
import doctest
import re
import socket
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from civitas.demo.model_server import Answer, ModelServer, ToolCall
from civitas.topology import load
from tests.docs.blocks import blocks
from tests.docs.forking import Samples
from tests.house.project import ROOT

EXAMPLES = ROOT / "examples"
SYSTEMS = sorted(file.parent.name for file in EXAMPLES.glob("*/topology.yaml"))
PROGRAMS = sorted(file.parent.name for file in EXAMPLES.glob("*/main.py"))
# Those of one framework each bring no model.
OUTPUT = {
    "langgraph": """\
My invoice is wrong: billing
The app is slow: engineering
payload.txt: the graph has no such input; did you mean 'text'? it takes 'text', 'queue', 'answer'
""",
    "openai": "Order 1002 is waiting for a missing part.\n",
    "crewai": "draft: drafted\ncheck: checked\n",
}
PROGRAM = """
import os, runpy, sys
os.environ.pop("OPENAI_BASE_URL")
os.environ.pop("OPENAI_API_KEY")
os.environ.update({environment!r})
sys.path.insert(0, {folder!r})
runpy.run_path({folder!r} + "/main.py", run_name="__main__")
"""


def said(body: dict[str, Any]) -> Answer:
    """What the model says to an example that brings none."""
    last = body["messages"][-1]
    if last["role"] == "tool":
        return f"Order 1002 is {last['content']}."
    if body.get("tools"):
        return ToolCall("find_order", {"number": "1002"})
    return "checked" if "Correct the description" in str(body["messages"]) else "drafted"


@pytest.fixture(scope="module")
def model() -> Iterator[ModelServer]:
    with ModelServer(said) as server:
        yield server


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A port that nobody else gets: it is bound, and free for a server that reuses addresses, as asyncio's do."""
    with socket.socket() as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def modules(example: str) -> set[str]:
    """The top-level modules that an example imports."""
    nodes = [
        node
        for file in (EXAMPLES / example).glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
    ]
    found = {
        alias.name.split(".")[0]
        for node in nodes
        if isinstance(node, ast.Import)
        for alias in node.names
    }
    return found | {
        str(node.module).split(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)
    }


def skip_elsewhere(example: str) -> None:
    """Skip what this environment has not, and what the other one runs as well."""
    own = {file.stem for file in (EXAMPLES / example).glob("*.py")}
    missing = sorted(name for name in modules(example) - own if not find_spec(name))
    if missing:
        pytest.skip(f"needs {', '.join(missing)}, which the other environment has")
    if find_spec("crewai") and "crewai" not in modules(example):
        pytest.skip("the other environment runs it")


def shown(example: str) -> str:
    """What its README says that it prints."""
    if example in OUTPUT:
        return OUTPUT[example]
    return next(
        block.text for block in blocks(EXAMPLES / example / "README.md") if block.language == "text"
    )


@pytest.mark.promise(id="SEM-1892")
@pytest.mark.timeout(120)
@pytest.mark.parametrize("example", PROGRAMS)
def test_an_example_prints_what_its_page_says(
    example: str,
    tmp_path: Path,
    interpreters: dict[bool, Samples],
    model: ModelServer,
    port: int,
) -> None:
    skip_elsewhere(example)
    environment = {"EDGE_PORT": str(port)}
    if example in OUTPUT:
        environment |= {"OPENAI_BASE_URL": model.url, "OPENAI_API_KEY": "x"}
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(environment=environment, folder=str(EXAMPLES / example)))
    folder = tmp_path / "work"
    folder.mkdir()
    done = interpreters[True].run(program, folder)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    expected, printed = (
        # Each way of a lookbehind has the same length: the dots stand for the end of "answer".
        re.sub(r"(?<=process |.. took )[\d.]+|\d+(?= users met)", "N", text)
        for text in (shown(example), done.stdout)
    )
    same = doctest.OutputChecker().check_output(expected, printed, doctest.ELLIPSIS)
    assert same, f"it prints\n{printed}\nand its page says\n{expected}\n{done.stderr}"
    assert not list(folder.iterdir())


def test_a_client_without_its_token_says_which_variable_is_missing(
    tmp_path: Path, interpreters: dict[bool, Samples]
) -> None:
    skip_elsewhere("openai-client")
    program = tmp_path / "program.py"
    folder = EXAMPLES / "openai-client"
    text = PROGRAM.format(environment={"EDGE_TOKEN": ""}, folder=str(folder))
    program.write_text(text.replace("main.py", "client.py"))
    done = interpreters[True].run(program, tmp_path)
    assert done.returncode == 1
    assert "EDGE_TOKEN is not set" in done.stderr


@pytest.mark.parametrize("example", SYSTEMS)
def test_the_topology_of_an_example_is_valid(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for secret in ("EDGE_TOKEN", "BAKERY_SECRET"):
        monkeypatch.setenv(secret, "told to nobody")
    assert load(EXAMPLES / example / "topology.yaml").supervision.children


def test_every_example_stands_in_the_index() -> None:
    index = (EXAMPLES / "README.md").read_text()
    names = [path.name for path in EXAMPLES.iterdir() if path.is_dir()]
    assert [name for name in names if f"]({name})" not in index] == []


@pytest.mark.parametrize("example", SYSTEMS)
def test_no_example_holds_a_secret(example: str) -> None:
    text = (EXAMPLES / example / "topology.yaml").read_text()
    assert re.findall(r"(?:token|password|key|secret): *(?!\"?\$\{)\S+", text) == []
