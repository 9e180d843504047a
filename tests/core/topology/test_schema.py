"""The JSON Schema for editors: it takes what `load` takes, and refuses what can be seen in the text alone."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator  # type: ignore[import-untyped]

from civitas.errors import TopologyError
from civitas.topology import load
from civitas.topology.descriptions import _DESCRIPTIONS, describe
from civitas.topology.schema import json_schema
from tests.core.topology.test_loading import WHOLE
from tests.docs.blocks import all_blocks
from tests.house.project import ROOT

# The example of the public contract.
CONTRACT = """
name: research-team
transport: {type: in_process}
state: {type: sqlite, path: civitas.db}
runtime: {drain_timeout: 30, node_timeout: 10}
processes:
  crew: {python: .venv-crew, env: {LOG: debug}, cwd: ., start_timeout: 30, hang_timeout: 30}
  gpu: {start: false}
supervision:
  name: root
  strategy: one_for_one
  children:
    - agent: {name: planner, type: myapp.agents.Planner, args: {style: terse}, delivery: at_least_once}
    - agent: {name: research, wrap: "myapp.graphs:graph", durable: true, process: worker}
    - agent: {name: writer, wrap: "myapp.crews:make_crew", process: crew}
    - supervisor: {name: crew_sup, strategy: rest_for_one, children: []}
    - dynamic_supervisor: {name: sessions, max_children: 100}
    - conversation_pool: {name: support, wrap: "myapp.support:agent", idle_timeout: 600}
"""

VARIABLES = """
name: ${TEAM:-team}
model: {type: own, key: "${KEY:-}"}
tools:
  - type: ${TOOL:-search}
runtime:
  drain_timeout: ${DRAIN:-30}
processes:
  crew:
    start: ${START:-true}
    hang_timeout: ${HANG:-null}
supervision:
  strategy: ${STRATEGY:-one_for_all}
  max_restarts: ${RESTARTS:-3}
  children:
    - agent:
        name: ${NAME:-a b}
        type: a.B
        delivery: ${DELIVERY:-at_least_once}
        ${KEYWORD:-mailbox_size}: ${SIZE:-5}
"""

SCHEMA = json_schema()


def refusals(text: str) -> list[str]:
    """What the schema has against a topology, `${VAR}` as it stands."""
    errors = Draft7Validator(SCHEMA).iter_errors(yaml.safe_load(text))
    return [f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]


def topologies() -> dict[str, str]:
    """Every topology that this repository shows, by where it stands."""
    found = {
        block.name: block.text
        for block in all_blocks("yaml")
        if "supervision" in (yaml.safe_load(block.text) or {})
    }
    found |= {
        str(file.relative_to(ROOT)): file.read_text()
        for file in sorted(ROOT.glob("examples/*/topology.yaml"))
    }
    template = files("civitas.cli").joinpath("project", "topology.yaml.txt")
    return {**found, "civitas init": template.read_text(encoding="utf-8")}


def test_it_is_a_schema_itself() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert SCHEMA["title"] == "Civitas topology"


@pytest.mark.promise(id="SEM-759")
@pytest.mark.parametrize(
    "text", [CONTRACT, WHOLE, VARIABLES], ids=["contract", "whole", "variables"]
)
def test_it_takes_everything_that_may_be_written(text: str) -> None:
    assert refusals(text) == []


@pytest.mark.parametrize("where", topologies())
def test_it_takes_every_topology_we_show(where: str) -> None:
    assert refusals(topologies()[where]) == []


@pytest.mark.promise(id="SEM-759")
@pytest.mark.parametrize(
    "text",
    [
        "",
        "name: x",
        "[]",
        "supervision:",
        "supervision: {}\nnme: x",
        "supervision: {}\nname: 5",
        "supervision: {}\nname: two words",
        "supervision: {}\nname: ''",
        "supervision: {}\nstate:",
        "supervision: {}\nmodel:",
        "supervision: {}\ntools: {type: x}",
        "supervision: {}\nstate: {path: x}",
        "supervision: {}\ntransport: zmq",
        "supervision: {}\nserializer: yaml",
        "supervision: {}\nruntime: {drain_timeout: soon}",
        "supervision: {}\nruntime: {drain_timeout: -1}",
        "supervision: {}\nruntime: {drain_timeout: true}",
        "supervision: {}\nruntime: {drain_timeout: 1e10}",
        "supervision: {}\nprocesses: [crew]",
        "supervision: {}\nprocesses: {a b: {}}",
        "supervision: {}\nprocesses: {crew: {start: 'no'}}",
        "supervision: {}\nprocesses: {crew: {pyton: x}}",
        "supervision: {}\nprocesses: {crew: {env: {A: [b]}}}",
        "supervision: {strategy: one_for_al}",
        "supervision: {strategy: null}",
        "supervision: {max_restarts: 1.5}",
        "supervision: {max_restarts: -1}",
        "supervision: {backoff: some}",
        "supervision: {children: {}}",
        "supervision: {children: [planner]}",
        "supervision: {children: [{}]}",
        "supervision: {children: [{agent: }]}",
        "supervision: {children: [{agnt: {name: a, type: a.B}}]}",
        "supervision: {children: [{agent: {type: a.B}}]}",
        "supervision: {children: [{agent: {name: a}}]}",
        "supervision: {children: [{agent: {name: a/b, type: a.B}}]}",
        "supervision: {children: [{agent: {name: a, type: a.B, wrap: 'a:b'}}]}",
        "supervision: {children: [{agent: {name: a, type: a.B, mailbox_size: 0}}]}",
        "supervision: {children: [{agent: {name: a, type: a.B, restart: often}}]}",
        "supervision: {children: [{agent: {name: a, type: a.B, args: {restart: permanent}}}]}",
        "supervision: {children: [{agent: {name: a, type: a.B, replicas: 2}}]}",
        "supervision: {children: [{agent: {name: a, type: a.B}, supervisor: {name: b}}]}",
        "supervision: {children: [{supervisor: {children: []}}]}",
        "supervision: {children: [{supervisor: {name: s, children: [{agent: {name: a}}]}}]}",
        "supervision: {children: [{dynamic_supervisor: {name: a, children: []}}]}",
        "supervision: {children: [{conversation_pool: {name: a, wrap: 'a:b', max_live: 0}}]}",
        "supervision: {children: [{conversation_pool: {name: a, max_live: 5}}]}",
    ],
)
def test_it_refuses_what_load_refuses(text: str, tmp_path: Path) -> None:
    assert refusals(text) != []
    (tmp_path / "topology.yaml").write_text(text)
    with pytest.raises(TopologyError):
        load(tmp_path / "topology.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "supervision: {strategy: One_For_All, backoff: NONE}",
        "supervision: {children: [{agent: {name: a, type: a.B, shutdown_timeout: null}}]}",
        "supervision: {children: [{agent: {name: größe, type: a.B, anything: {of: [its, own]}}}]}",
        "supervision: {}\nprocesses: {crew: {env: {A: 1, B: true, C: x}, python: null}}",
        "supervision: {}\nstate: {type: redis, url: x, ports: [1]}",
    ],
)
def test_it_takes_what_load_takes(text: str, tmp_path: Path) -> None:
    assert refusals(text) == []
    (tmp_path / "topology.yaml").write_text(text)
    load(tmp_path / "topology.yaml")


def test_every_key_is_described_and_nothing_else() -> None:
    for model, texts in _DESCRIPTIONS.items():
        assert set(texts) <= set(model.declared())
        for key in model.declared():
            assert describe(model, key).endswith((".", "own.")), (model, key)


def test_every_key_stands_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "topology.md").read_text()
    keys = {key for model in _DESCRIPTIONS for key in model.declared()}
    assert sorted(key for key in keys if f"`{key}`" not in page) == []


def test_editors_are_offered_words_defaults_and_descriptions() -> None:
    definitions: dict[str, Any] = SCHEMA["definitions"]
    strategy = definitions["SupervisorEntry"]["properties"]["strategy"]
    assert strategy["default"] == "one_for_one"
    assert strategy["allOf"] == [{"$ref": "#/definitions/RestartStrategy"}]
    assert definitions["RestartStrategy"]["anyOf"][0] == {
        "enum": ["one_for_one", "one_for_all", "rest_for_one"]
    }
    for definition in (SCHEMA, *definitions.values()):
        assert definition["description"]
        for each in definition.get("properties", {}).values():
            assert each["description"]
