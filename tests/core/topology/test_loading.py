"""`load`: what may be written, and what is said about everything else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from civitas.errors import TopologyError
from civitas.process import Delivery, RestartType
from civitas.supervision import BackoffPolicy, RestartStrategy
from civitas.topology import load
from civitas.topology.grammar import AgentEntry, ConversationPoolEntry, SupervisorEntry

Write = Callable[[str], Path]


WHOLE = """
name: research-team
transport: {type: nats, servers: ["nats://127.0.0.1:4222"], jetstream: true}
state: {type: sqlite, path: civitas.db}
serializer: json
runtime: {drain_timeout: 5, node_timeout: 2.5}
processes:
  crew: {python: .venv-crew, env: {LOG: debug, PORT: 80, ON: true}, cwd: ., start_timeout: 3, hang_timeout: null}
  gpu: {start: false}
supervision:
  name: top
  strategy: One_For_All
  backoff: LINEAR
  children:
    - agent: {name: planner, type: myapp.agents.Planner, args: {style: terse}, delivery: at_least_once}
    - agent: {name: research, wrap: "myapp.graphs:graph", durable: true, process: worker, replicas: 3}
    - supervisor:
        name: crew_sup
        strategy: rest_for_one
        max_restarts: 0
        restart: transient
        children:
          - agent: {name: writer, wrap: "myapp.crews:make_crew", process: crew, shutdown_timeout: null}
    - dynamic_supervisor: {name: sessions, max_children: 100}
    - conversation_pool: {name: support, wrap: "myapp.support:agent", idle_timeout: 60, max_live: 5}
"""


@pytest.mark.promise(id="SEM-751")
def test_the_whole_grammar_is_understood(write: Write) -> None:
    topology = load(write(WHOLE))
    assert topology.name == "research-team"
    assert topology.transport.type == "nats"
    assert topology.transport.further["jetstream"] is True
    assert topology.runtime.drain_timeout == 5
    crew = topology.processes["crew"]
    assert crew.env == {"LOG": "debug", "PORT": "80", "ON": "true"}
    assert crew.hang_timeout is None
    assert topology.processes["gpu"].start is False
    root = topology.supervision
    assert (root.name, root.strategy, root.backoff) == (
        "top",
        RestartStrategy.ONE_FOR_ALL,
        BackoffPolicy.LINEAR,
    )
    assert [(kind, entry.name) for _, kind, entry in topology.walk()] == [
        ("supervisor", "top"),
        ("agent", "planner"),
        ("agent", "research"),
        ("supervisor", "crew_sup"),
        ("agent", "writer"),
        ("dynamic_supervisor", "sessions"),
        ("conversation_pool", "support"),
    ]
    planner, research, inner, _, pool = (child.entry for child in root.children)
    assert isinstance(planner, AgentEntry)
    assert planner.keywords() == {"delivery": Delivery.AT_LEAST_ONCE, "style": "terse"}
    assert isinstance(research, AgentEntry)
    assert research.keywords() == {"durable": True}
    assert (research.process, research.replicas) == ("worker", 3)
    assert isinstance(inner, SupervisorEntry)
    assert inner.given("name", "children") == {
        "strategy": RestartStrategy.REST_FOR_ONE,
        "max_restarts": 0,
        "restart": RestartType.TRANSIENT,
    }
    assert isinstance(pool, ConversationPoolEntry)
    assert (pool.idle_timeout, pool.max_live, pool.keywords()) == (60, 5, {})


def test_the_smallest_topology_has_the_defaults(write: Write) -> None:
    topology = load(write("supervision: {children: []}"))
    assert (topology.name, topology.transport.type, topology.state) == (
        "civitas",
        "in_process",
        None,
    )
    assert (topology.supervision.name, topology.supervision.max_restarts) == ("root", 3)


@pytest.mark.promise(id="SEM-751")
def test_a_dict_is_read_like_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIZE", "7")
    given = object()
    agent = {"name": "a", "type": "m.A", "mailbox_size": "${SIZE}", "given": given}
    topology = load({"supervision": {"children": ({"agent": agent},)}})
    entry = topology.supervision.children[0].agent
    assert entry is not None
    assert entry.mailbox_size == 7
    assert entry.keywords()["given"] is given


def agents(*lines: str) -> str:
    children = "".join(f"\n    - agent: {{{line}}}" for line in lines)
    return f"supervision:\n  children:{children}\n"


@pytest.mark.promise(id="SEM-752")
@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        # The top.
        ("name: x", 1, "a topology needs the key 'supervision'"),
        ("suprevision: {}", 1, "is 'suprevision' meant for it?"),
        ("nmae: x\nsupervision: {}", 1, "unknown key 'nmae' in a topology; did you mean 'name'?"),
        ("name: [x]\nsupervision: {}", 1, "'name' must be text of 1 to 200 characters"),
        ("name: a b\nsupervision: {}", 1, "got 'a b'"),
        ("name: 5\nsupervision: {}", 1, "put it in quotes"),
        ("1: x\nsupervision: {}", 1, "the key 1 is not text"),
        ("supervision:", 1, "'supervision' must be a mapping (key: value); got nothing"),
        ("supervision: [a]", 1, "got a list"),
        ("transport: zmq\nsupervision: {}", 1, "'transport' must be a mapping"),
        ("transport: {type: 5}\nsupervision: {}", 1, "'type' must be text"),
        ("transport: {typ: zmq}\nsupervision: {}", 1, "is 'typ' meant for it?"),
        ("supervision: {}\nstate:", 2, "'state' must be a mapping, such as {type: sqlite"),
        ("supervision: {}\nstate: {typ: sqlite}", 2, "is 'typ' meant for it?"),
        ("supervision: {}\nstate: {type: ''}", 2, "text that is not empty"),
        ("supervision: {}\nserializer: jsn", 2, "did you mean 'json'?"),
        ("supervision: {}\nruntime: {drain: 5}", 2, "did you mean 'drain_timeout'?"),
        ("supervision: {}\nruntime: {drain_timeout: -1}", 2, "a number >= 0; got -1"),
        ("supervision: {}\nruntime:\n  node_timeout: 0", 3, "a number > 0; got 0"),
        ("supervision: {}\nruntime:\n  node_timeout: '5'", 3, "a number; got '5'"),
        ("supervision: {}\nruntime: {drain_timeout: .nan}", 2, "a finite number"),
        ("supervision: {}\nruntime: {drain_timeout: true}", 2, "got true"),
        ("supervision: {}\nedge: {http: {prot: 1}}", 2, "did you mean 'port'? Known: host, port"),
        ("supervision: {}\nedge: {http: {port: 70000}}", 2, "a whole number <= 65535; got 70000"),
        # Processes.
        ("supervision: {}\nprocesses: [a]", 2, "'processes' must be a mapping"),
        (
            "supervision: {}\nprocesses:\n  a: {pyton: x}",
            3,
            "in process 'a'; did you mean 'python'",
        ),
        (
            "supervision: {}\nprocesses:\n  a: {start: no}",
            3,
            "'start' must be true or false; got 'no'",
        ),
        ("supervision: {}\nprocesses:\n  a: {env: {A: [1]}}", 3, "'A' must be text"),
        ("supervision: {}\nprocesses:\n  a: {hang_timeout: 0}", 3, "> 0"),
        ("supervision: {}\nprocesses:\n  a b: {}", 3, "got 'a b'"),
        ("supervision: {}\nprocesses:\n  root: {}", 3, "runs the supervision tree"),
        (agents("name: a, type: m.A, process: root"), 3, "runs the supervision tree"),
        # Supervisors.
        ("supervision:\n  strategi: x", 2, "did you mean 'strategy'?"),
        ("supervision:\n  strategy: one_for_al", 2, "did you mean 'one_for_all'?"),
        ("supervision:\n  strategy: 5", 2, "must be one of one_for_one, one_for_all, rest_for_one"),
        ("supervision:\n  backoff: expo", 2, "must be one of none, constant, linear, exponential"),
        ("supervision:\n  backoff: exponental", 2, "did you mean 'exponential'?"),
        ("supervision:\n  restart: permanant", 2, "did you mean 'permanent'?"),
        ("supervision:\n  max_restarts: 1.5", 2, "a whole number; got 1.5"),
        ("supervision:\n  max_restarts: -1", 2, "a whole number >= 0; got -1"),
        ("supervision:\n  max_restarts: '3'", 2, "a whole number; got '3'"),
        ("supervision:\n  max_restarts: true", 2, "a whole number; got true"),
        ("supervision:\n  restart_window: 0", 2, "a number > 0"),
        ("supervision:\n  restart_window: 1e10", 2, "a number < 1e+09"),
        ("supervision:\n  backoff_base: .inf", 2, "a finite number"),
        (
            "supervision:\n  children: {a: 1}",
            2,
            "'children' must be a list (- item); got a mapping",
        ),
        ("supervision:\n  children:", 2, "got nothing"),
        # Children.
        ("supervision:\n  children:\n    - planner", 3, "each of 'children' must be a mapping"),
        ("supervision:\n  children:\n    - agnet: {}", 3, "did you mean 'agent'?"),
        (
            "supervision:\n  children:\n    - name: a\n      type: m.A",
            3,
            "write - agent: {name: ..., type",
        ),
        ("supervision:\n  children:\n    - {}", 3, "a child must be one of agent, supervisor"),
        ("supervision:\n  children:\n    - agent:", 3, "'agent' must be a mapping"),
        (
            "supervision:\n  children:\n    - agent: {name: a, type: m.A}\n      supervisor: {name: s}",
            3,
            "got agent and supervisor",
        ),
        (
            "supervision:\n  children:\n    - supervisor:\n        children: []",
            3,
            "a supervisor needs the key 'name'",
        ),
        (
            "supervision:\n  children:\n    - dynamic_supervisor: {name: d, max_childs: 1}",
            3,
            "in a dynamic supervisor; did you mean 'max_children'?",
        ),
        (
            "supervision:\n  children:\n    - conversation_pool: {name: p, wrap: m:a, max_live: 0}",
            3,
            "a whole number >= 1",
        ),
        (
            "supervision:\n  children:\n    - supervisor: {name: s, children: [supervisor: {name: t,\n stratgy: x}]}",
            4,
            "did you mean 'strategy'?",
        ),
        # Agents.
        (agents("nme: a, type: m.A"), 3, "is 'nme' meant for it?"),
        (agents("name: a"), 3, "agent 'a' needs 'type'"),
        (agents("name: a, typ: m.A"), 3, "is 'typ' meant for 'type'?"),
        (agents("name: a, wrp: m.A"), 3, "is 'wrp' meant for 'wrap'?"),
        (agents("name: a, type: m.A, wrap: 'm:a'"), 3, "both 'type' and 'wrap'"),
        (agents("name: a, type: [m.A]"), 3, "'type' must be text"),
        (agents("name: a, type: m.A, restart: allways"), 3, "permanent, transient, temporary"),
        (agents("name: a, type: m.A, delivery: at_most_onse"), 3, "did you mean 'at_most_once'?"),
        (agents("name: a, type: m.A, mailbox_size: 0"), 3, "a whole number >= 1"),
        (agents("name: a, type: m.A, max_retries: -1"), 3, "a whole number >= 0"),
        (agents("name: a, type: m.A, max_deliveries: 0"), 3, "a whole number >= 1"),
        (agents("name: a, type: m.A, handle_timeout: 0"), 3, "a number > 0"),
        (agents("name: a, type: m.A, shutdown_timeout: -1"), 3, "a number >= 0"),
        (agents("name: a, type: m.A, cancel_on_timeout: on"), 3, "true or false; got 'on'"),
        (agents("name: a, type: m.A, args: [1]"), 3, "'args' must be a mapping"),
        (agents("name: a, type: m.A, args: {1: 2}"), 3, "text"),
        (agents("name: a, type: m.A, args: {restart: x}"), 3, "goes beside 'args'"),
        (agents("name: a, type: m.A, args: {name: x}"), 3, "goes beside 'args'"),
        (agents("name: a, type: m.A, b: 1, args: {b: 2}"), 3, "'b' is given twice"),
        (agents("name: a, type: m.A, replicas: 2"), 3, "needs 'process'"),
        (agents("name: a, type: m.A, process: w, replicas: 0"), 3, "a whole number >= 1"),
        (
            agents("name: a, type: m.A, process: w, replicas: 2", "name: a-2, type: m.B"),
            4,
            "the name 'a-2' is taken by the replicas of 'a' in line 3",
        ),
        (
            agents("name: a-2, type: m.B", "name: a, type: m.A, process: w, replicas: 2"),
            4,
            "the name 'a-2' is taken by the agent in line 3",
        ),
        (
            agents(
                "name: a, type: m.A, process: w, replicas: 2", "name: b, type: m.B, process: w-1"
            ),
            3,
            "'w-1' is also a process of this file",
        ),
        (
            "processes: {w-2: {}}\n" + agents("name: a, type: m.A, process: w, replicas: 2"),
            4,
            "'w-2' is also a process of this file",
        ),
        (agents("name: a*, type: m.A"), 3, "got 'a*'"),
        (agents("name: a, type: m.A", "name: a, type: m.B"), 4, "taken by the agent in line 3"),
        (agents("name: root, type: m.A"), 3, "the name 'root' is taken by the supervisor"),
    ],
)
def test_a_mistake_is_named_with_its_line(write: Write, text: str, line: int, words: str) -> None:
    file = write(text)
    with pytest.raises(TopologyError) as caught:
        load(file)
    error = caught.value
    assert words in str(error)
    assert (error.file, error.line) == (str(file), line)
    assert str(error).startswith(f"{file}:{line}: ")


@pytest.mark.promise(id="SEM-752")
def test_all_mistakes_are_reported_together_in_the_order_of_their_lines(write: Write) -> None:
    file = write(
        """
        name: x y
        supervision:
          strategy: nope
          children:
            - agnet: {}
        """
    )
    with pytest.raises(TopologyError) as caught:
        load(file)
    lines = str(caught.value).splitlines()
    assert [re.match(rf"{re.escape(str(file))}:(\d+): ", line)[1] for line in lines] == [  # type: ignore[index]
        "1",
        "3",
        "5",
    ]
    assert caught.value.line == 1


def test_a_mistake_in_a_dict_is_named_by_its_path() -> None:
    config: dict[str, Any] = {"supervision": {"children": [{"agent": {"name": "a", "type": 5}}]}}
    with pytest.raises(TopologyError) as caught:
        load(config)
    assert str(caught.value).startswith("supervision.children[0].agent.type: 'type' must be text")
    assert (caught.value.file, caught.value.line) == (None, None)


def test_a_variable_in_a_dict_without_a_value_is_named_by_its_path() -> None:
    with pytest.raises(TopologyError, match=r"supervision\.name: .*NOT_SET_ANYWHERE is not set"):
        load({"supervision": {"name": "${NOT_SET_ANYWHERE}"}})


def test_a_dict_that_holds_itself_is_refused() -> None:
    config: dict[str, Any] = {}
    config["supervision"] = config
    with pytest.raises(TopologyError, match="contains itself"):
        load(config)


def test_what_is_neither_a_path_nor_a_dict_is_refused() -> None:
    with pytest.raises(TopologyError, match="the path of a YAML file, or a dict; got int"):
        load(5)  # type: ignore[arg-type]
