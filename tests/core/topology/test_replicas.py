"""What `replicas` stands for: so many OS processes and agents, each with a name of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from civitas.process import ChildKind, RestartType
from civitas.supervision import Placed, RestartStrategy, Supervisor
from civitas.topology import Topology, build, load, processes_of

Write = Callable[[str], Path]


@pytest.fixture
def loaded(write: Write) -> Topology:
    return load(
        write(
            """
            processes:
              pack: {env: {SIZE: 3}, start_timeout: 7, start: false}
              alone: {}
            supervision:
              max_restarts: 9
              restart_window: 5
              strategy: one_for_all
              backoff: none
              children:
                - agent: {name: crew, type: m.A, process: pack, replicas: 3, restart: transient}
                - agent: {name: two, type: m.A, process: pack, replicas: 2}
                - agent: {name: one, type: m.A, process: alone, replicas: 1}
            """
        )
    )


def test_each_replica_has_a_process_with_what_is_said_of_them_all(loaded: Topology) -> None:
    processes = processes_of(loaded)
    assert list(processes) == ["pack-1", "pack-2", "pack-3", "alone"]
    for n in (1, 2, 3):
        options = processes[f"pack-{n}"]
        assert (options.env, options.start_timeout, options.start) == ({"SIZE": "3"}, 7.0, False)


def test_each_process_has_its_share_of_the_agents(loaded: Topology) -> None:
    def names(process: str) -> list[str]:
        return [entry.name for _, entry in loaded.agents_of(process)]

    assert [names(f"pack-{n}") for n in (1, 2, 3)] == [["crew", "two"], ["crew", "two"], ["crew"]]
    assert (names("alone"), names("pack")) == (["one"], [])


def test_replicas_are_children_of_a_supervisor_of_that_name(loaded: Topology) -> None:
    root = build(loaded)
    crew = root.children[0]
    assert isinstance(crew, Supervisor)
    assert crew.name == "crew"
    assert crew.children == tuple(
        Placed(f"crew-{n}", f"pack-{n}", restart=RestartType.TRANSIENT, family="crew")
        for n in (1, 2, 3)
    )
    assert root.children[2] == Placed("one", "alone")


@pytest.mark.promise(id="SEM-937")
def test_they_are_restarted_one_for_one_within_what_their_supervisor_allows(
    loaded: Topology,
) -> None:
    root = build(loaded)
    crew = root.children[0]
    assert isinstance(crew, Supervisor)
    assert crew.limits == root.limits
    assert (crew.strategy, crew.restart) == (RestartStrategy.ONE_FOR_ONE, RestartType.PERMANENT)


@pytest.mark.promise(id="SEM-1541")
@pytest.mark.parametrize(
    "entry",
    [
        "conversation_pool: {name: crew, type: m.A, process: pack, replicas: 2, restart: temporary}",
        "agent: {name: crew, wrap: 'm:a', per_conversation: true, process: pack, replicas: 2}",
    ],
)
def test_the_replicas_of_a_pool_are_pools(write: Write, entry: str) -> None:
    loaded = load(write(f"supervision:\n  children:\n    - {entry}\n"))
    crew = build(loaded).children[0]
    assert isinstance(crew, Supervisor)
    assert crew.children == tuple(
        Placed(f"crew-{n}", f"pack-{n}", ChildKind.CONVERSATION_POOL, family="crew") for n in (1, 2)
    )
