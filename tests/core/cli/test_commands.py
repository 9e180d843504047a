"""What each command prints, and what it says when it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.core.cli.support import Result

Civitas = Callable[..., Result]

COMMANDS = (
    ["run"],
    ["init"],
    ["plugins"],
    ["demo"],
    ["ask"],
    ["send"],
    ["top"],
    ["state", "list"],
    ["state", "show"],
    ["state", "clear"],
    ["topology", "validate"],
    ["topology", "show"],
    ["topology", "diff"],
    ["topology", "schema"],
    ["keys", "new"],
)

TOPOLOGY = """
name: research
transport: {type: zmq}
state: {type: sqlite, path: state.db}
processes:
  crew: {python: .venv-crew, env: {KEY: secret}}
  gpu: {start: false}
supervision:
  name: top
  strategy: rest_for_one
  max_restarts: 1
  children:
    - agent: {name: planner, type: myapp.Planner, restart: transient, delivery: at_least_once}
    - supervisor:
        name: inner
        restart: temporary
        children:
          - agent: {name: writer, wrap: "myapp:crew", process: crew, replicas: 2}
    - dynamic_supervisor: {name: sessions, max_children: 5}
    - conversation_pool: {name: support, wrap: "myapp:agent", max_live: 9}
"""

# A topology of agents that are always there.
RUNNABLE = """
name: small
supervision:
  children:
    - agent: {name: a, type: civitas.process.AgentProcess}
    - agent: {name: b, type: civitas.process.AgentProcess}
    - supervisor: {name: inner}
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Write `topology.yaml` into the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])

    def to_file(text: str) -> str:
        Path("topology.yaml").write_text(text.lstrip("\n"), encoding="utf-8")
        return "topology.yaml"

    return to_file


# Help, and command lines that are not understood.


@pytest.mark.promise(id="SEM-805")
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_the_help_of_every_command_shows_examples(civitas: Civitas, command: list[str]) -> None:
    result = civitas(*command, "--help")
    assert result.code == 0
    _, _, examples = result.out.partition("Examples:")
    assert f"civitas {' '.join(command)}" in examples


@pytest.mark.parametrize("command", [[], ["topology"], ["state"]])
def test_without_a_command_the_help_is_shown(civitas: Civitas, command: list[str]) -> None:
    result = civitas(*command)
    assert result.code == 2
    assert "Examples:" in result.out + result.err


def test_the_version_is_that_of_the_distribution(civitas: Civitas) -> None:
    result = civitas("--version")
    assert result.code == 0
    assert result.out.startswith("civitas 0.")


@pytest.mark.promise(id="SEM-804")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["runn"], "civitas: No such command 'runn'."),
        (["ask"], "civitas ask: Missing argument 'NAME'. Try 'civitas ask --help'"),
        (["run", "a", "b"], "civitas run: "),
        (["run", "a", "--trase"], "civitas run: No such option: --trase"),
        (["validate"], "civitas: No such command 'validate'. Did you mean 'topology validate'?"),
        (["topology", "chow"], "civitas topology: No such command 'chow'."),
        (["init"], "civitas init: Missing argument 'DIR'."),
        (["ask", "a", "b", "1", "--header", "x"], "a header must be NAME=VALUE; got 'x'"),
        (["send", "a", "b", "1", "--header", "x=\n"], r"a header must be NAME=VALUE; got 'x=\n'"),
        (
            ["ask", "a", "b", "1", "--header", "x=1", "--header", "x=2"],
            "the header 'x' is given twice",
        ),
        (
            ["ask", "a", "b", "1", "--header", "civitas-budget=1"],
            "the header 'civitas-budget': those that begin with civitas- are set by Civitas itself",
        ),
    ],
)
def test_a_command_line_that_is_not_understood_is_one_line_and_exit_code_2(
    civitas: Civitas, arguments: list[str], words: str
) -> None:
    result = civitas(*arguments)
    assert result.code == 2
    assert words in result.err
    assert len(result.err.splitlines()) == 1
    assert result.out == ""


def test_the_help_loads_nothing_heavy() -> None:
    program = (
        "import sys; from civitas.cli import main; main(['--help']); "
        "print([m for m in ('pydantic', 'yaml', 'civitas.topology', 'opentelemetry.sdk') "
        "if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stderr.decode().strip() == "[]"


# topology show.


@pytest.mark.promise(id="SEM-812")
def test_show_draws_the_tree_with_strategies_restart_types_and_processes(
    civitas: Civitas, write: Callable[[str], str]
) -> None:
    result = civitas("topology", "show", write(TOPOLOGY))
    assert result.code == 0
    assert result.out.splitlines() == [
        "research  transport zmq, state sqlite",
        "top  supervisor  rest_for_one, 1 restart in 60 s",
        "├── planner  agent  myapp.Planner, transient, at_least_once",
        "├── inner  supervisor  one_for_one, 3 restarts in 60 s, temporary",
        "│   └── writer  agent  wraps myapp:crew, permanent, process crew, 2 replicas",
        "├── sessions  dynamic supervisor  at most 5 children, 3 restarts in 60 s",
        "└── support  conversation pool  wraps myapp:agent, at most 9 awake, permanent",
        "process crew  python .venv-crew",
        "process gpu  started elsewhere",
    ]


def test_show_prints_names_that_look_like_markup_as_they_are(
    civitas: Civitas, write: Callable[[str], str]
) -> None:
    text = "supervision: {children: [agent: {name: ':smile:', type: 'a.B'}]}"
    assert ":smile:" in civitas("topology", "show", write(text)).out


# topology validate.


def test_validate_says_what_is_in_a_valid_topology(
    civitas: Civitas, write: Callable[[str], str]
) -> None:
    result = civitas("topology", "validate", write(RUNNABLE))
    assert (result.code, result.err) == (0, "")
    assert result.out == "topology.yaml: valid, 2 agents, 2 supervisors\n"


def test_validate_without_imports_looks_at_the_file_alone(
    civitas: Civitas, write: Callable[[str], str]
) -> None:
    result = civitas("topology", "validate", "--no-import", write(TOPOLOGY))
    assert result.code == 0
    assert result.out == (
        "topology.yaml: valid, 2 agents, 1 conversation pool, 1 dynamic supervisor, "
        "3 processes, 2 supervisors\n"
    )


@pytest.mark.promise(id="SEM-812")
def test_validate_prints_every_mistake_on_a_line_that_begins_with_file_and_line(
    civitas: Civitas, write: Callable[[str], str]
) -> None:
    result = civitas("topology", "validate", write("nme: x\nsupervision: {strategi: y}\n"))
    assert (result.code, result.out) == (1, "")
    first, second = result.err.splitlines()
    assert first.startswith("topology.yaml:1: unknown key 'nme'")
    assert second.startswith("topology.yaml:2: unknown key 'strategi'")


def test_validate_finds_a_name_that_leads_nowhere(
    civitas: Civitas, write: Callable[[str], str]
) -> None:
    text = RUNNABLE.replace("AgentProcess}", "AgentProces}", 1)
    result = civitas("topology", "validate", write(text))
    assert result.code == 1
    assert "topology.yaml:4: 'civitas.process' has no 'AgentProces'" in result.err
    assert "did you mean 'AgentProcess'?" in result.err


def test_validate_says_what_a_transport_does_not_take(
    civitas: Civitas, write: Callable[[str], str]
) -> None:
    text = TOPOLOGY.replace("type: zmq", "type: nats, on_partition: perhaps")
    result = civitas("topology", "validate", write(text))
    assert result.code == 1
    assert "topology.yaml:2: 'on_partition' must be keep or stop; got 'perhaps'" in result.err


@pytest.mark.parametrize("command", [["run"], ["topology", "validate"], ["topology", "show"]])
def test_a_missing_file_is_one_line(
    civitas: Civitas, write: Callable[[str], str], command: list[str]
) -> None:
    write(RUNNABLE)
    result = civitas(*command, "toplogy.yaml")
    assert (result.code, result.out) == (1, "")
    assert result.err == ("toplogy.yaml: there is no such file; did you mean 'topology.yaml'?\n")


@pytest.mark.promise(id="SEM-806")
def test_an_error_inside_a_module_is_one_line_and_a_traceback_with_verbose(
    civitas: Civitas, write: Callable[[str], str]
) -> None:
    Path("broken_for_validate.py").write_text("import nowhere_at_all\n", encoding="utf-8")
    file = write("supervision: {children: [agent: {name: a, type: broken_for_validate.A}]}")
    result = civitas("topology", "validate", file)
    assert result.code == 1
    assert "civitas: 'a' did not start: ModuleNotFoundError" in result.err
    assert "Traceback" not in result.err
    assert "--verbose" in result.err
    result = civitas("topology", "validate", file, "--verbose")
    assert result.code == 1
    assert "broken_for_validate.py" in result.err
    assert "Traceback" in result.err


def test_inspect_takes_one_name(civitas: Civitas) -> None:
    result = civitas("inspect", "topology.yaml", "writer", "reader")
    assert result.code == 2
    assert "unexpected extra argument" in result.err


# plugins.


@pytest.mark.promise(id="SEM-710")
def test_plugins_lists_what_was_found_and_from_where(civitas: Civitas) -> None:
    result = civitas("plugins")
    assert result.code == 0
    assert "plugin" in result.out.splitlines()[0]
    assert "state stores: memory, nats_kv, sqlite" in result.out
    assert "built in" in result.out
    plugins = json.loads(civitas("plugins", "--json").out)
    (core,) = [plugin for plugin in plugins if plugin["source"] == "built in"]
    assert core["provides"]["civitas_state_stores"] == ["memory", "nats_kv", "sqlite"]
    assert core["error"] is None


@pytest.mark.promise(id="SEM-710")
def test_plugins_shows_what_is_broken_and_goes_on(
    civitas: Civitas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "acme_plugin-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-plugin\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[civitas]\nacme = acme_is_not_there\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    result = civitas("plugins")
    assert result.code == 0
    (line,) = [line for line in result.out.splitlines() if line.startswith("acme ")]
    assert "acme-plugin 1.2" in line
    assert "broken: " in line
    assert "No module named 'acme_is_not_there'" in line
    assert "broken and left out" in result.out
    assert "state stores: memory, nats_kv, sqlite" in result.out


# init.


@pytest.mark.promise(id="SEM-814")
def test_init_writes_a_project_that_is_valid(
    civitas: Civitas, write: Callable[[str], str], tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "hello-there"
    result = civitas("init", folder)
    assert (result.code, result.err) == (0, "")
    assert f"next: civitas run {folder / 'topology.yaml'}" in result.out
    assert sorted(each.name for each in folder.iterdir()) == [
        "README.md",
        "my_agents.py",
        "topology.yaml",
    ]
    assert "name: hello-there\n" in (folder / "topology.yaml").read_text()
    assert (folder / "README.md").read_text().startswith("# hello-there\n")
    assert civitas("topology", "validate", folder / "topology.yaml").code == 0


@pytest.mark.parametrize("name", ["1", "true", "a:b", "#x", "größe", "a-b", "no"])
def test_init_writes_any_name_that_may_be_one(
    civitas: Civitas, write: Callable[[str], str], tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "named"
    assert civitas("init", folder, "--name", name).code == 0
    shown = civitas("topology", "show", folder / "topology.yaml")
    assert shown.out.startswith(f"{name}  transport")


def test_init_takes_an_empty_folder(civitas: Civitas, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert civitas("init", tmp_path / "empty").code == 0


def test_init_refuses_a_folder_with_something_in_it(civitas: Civitas, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    result = civitas("init", tmp_path)
    assert result.code == 1
    assert "is not empty; name a new or empty folder" in result.err
    assert [each.name for each in tmp_path.iterdir()] == ["mine.txt"]


def test_init_refuses_a_file(civitas: Civitas, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    result = civitas("init", tmp_path / "file")
    assert result.code == 1
    assert "is a file" in result.err


@pytest.mark.parametrize("arguments", [["two words"], ["x", "--name", "a/b"], ["x", "--name", ""]])
def test_init_refuses_a_name_that_cannot_be_one(
    civitas: Civitas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    result = civitas("init", *arguments)
    assert (result.code, result.out) == (1, "")
    assert "civitas: the name of a system must be text of 1 to 200 characters" in result.err
    assert not list(tmp_path.iterdir())


def test_init_says_why_it_cannot_write(civitas: Civitas, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    result = civitas("init", tmp_path / "file" / "below")
    assert result.code == 1
    assert "Not a directory" in result.err
    assert len(result.err.splitlines()) == 1
