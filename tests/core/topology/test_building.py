"""`build`: from names in a file to agents, and what is said where a name leads nowhere."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

import civitas.plugins
from civitas.errors import PluginError, StartFailed, TopologyError
from civitas.message import Message
from civitas.plugins import PluginManager
from civitas.process import AgentProcess, Delivery, RestartType
from civitas.runtime import Runtime
from civitas.supervision import ConversationPool, DynamicSupervisor, RestartStrategy, Supervisor
from civitas.topology import build, load
from civitas.topology.building import Builder
from civitas.topology.grammar import Topology
from tests.core.topology.team import TEAM, ThingAgent, ThingPlugin

Write = Callable[[str], Path]
WriteModule = Callable[[str, str], Path]


@pytest.fixture
def plugins() -> PluginManager:
    return PluginManager([ThingPlugin()], discover=False)


@pytest.fixture
def make(write: Write, module: WriteModule, plugins: PluginManager) -> Callable[..., Supervisor]:
    """Build a topology whose children are these lines, from line 3 on, beside the package `team`."""
    module("team.__init__", "")
    module("team.crew", TEAM)

    def built(*agents: str, **keywords: Any) -> Supervisor:
        children = "".join(f"\n    - agent: {{{agent}}}" for agent in agents)
        topology = load(write(f"supervision:\n  children:{children or ' []'}"))
        return build(topology, plugins=plugins, **keywords)

    return built


Make = Callable[..., Supervisor]


# What works.


@pytest.mark.promise(id="SEM-751")
def test_a_tree_is_built_as_it_is_written(
    write: Write, module: WriteModule, plugins: PluginManager
) -> None:
    module("team.__init__", "")
    module("team.crew", TEAM)
    root = build(
        load(
            write(
                """
                supervision:
                  name: top
                  strategy: rest_for_one
                  max_restarts: 7
                  backoff: none
                  children:
                    - agent: {name: one, type: team.crew.Planner, style: terse, restart: Transient}
                    - supervisor:
                        name: inner
                        restart: temporary
                        children:
                          - agent: {name: two, type: "team.crew:Sized", args: {size: 3}, mailbox_size: 5}
                          - agent: {name: three, wrap: "team.crew:thing", delivery: at_least_once}
                    - dynamic_supervisor: {name: sessions, max_children: 5, max_restarts: 1}
                    - conversation_pool:
                        {name: support, wrap: team.crew.thing, max_live: 9, max_restarts: 1, restart: transient}
                """
            )
        ),
        plugins=plugins,
    )
    one, inner, sessions, pool = root.children
    plain = Supervisor("x", max_restarts=7, backoff="none")
    assert (root.name, root.strategy, root.limits) == (
        "top",
        RestartStrategy.REST_FOR_ONE,
        plain.limits,
    )
    assert isinstance(one, AgentProcess)
    assert (type(one).__name__, one.name, one.style) == ("Planner", "one", "terse")  # type: ignore[attr-defined]
    assert one._civitas_options.restart is RestartType.TRANSIENT
    assert isinstance(inner, Supervisor)
    assert inner.restart is RestartType.TEMPORARY
    two, three = inner.children
    assert isinstance(two, AgentProcess)
    assert (two.size, two._civitas_options.mailbox_size) == (3, 5)  # type: ignore[attr-defined]
    assert isinstance(three, ThingAgent)
    assert type(three.thing).__name__ == "Thing"
    assert three._civitas_options.delivery is Delivery.AT_LEAST_ONCE
    assert sessions == DynamicSupervisor("sessions", max_children=5, max_restarts=1)
    assert isinstance(pool, ConversationPool)
    assert pool == ConversationPool("support", pool.child, max_live=9, max_restarts=1)
    assert isinstance(pool.child, ThingAgent)
    assert pool.child._civitas_options.restart is RestartType.TRANSIENT


def test_a_class_inside_a_class_is_found(make: Make) -> None:
    root = make(
        "name: a, type: team.crew.Outer.Inner",
        "name: b, type: 'team.crew:Outer.Inner'",
    )
    assert {type(child).__name__ for child in root.children} == {"Inner"}


@pytest.mark.promise(id="SEM-610")
def test_a_short_name_comes_from_the_caller_before_the_plugins(make: Make) -> None:
    class Mine(AgentProcess):
        async def handle(self, message: Message) -> None:
            pass

    root = make(
        "name: a, type: Mine", "name: b, type: Thingy, thing: 1", agent_classes={"Mine": Mine}
    )
    assert [type(child) for child in root.children] == [Mine, ThingAgent]
    root = make("name: b, type: Thingy", agent_classes={"Thingy": Mine})
    assert type(root.children[0]) is Mine


@pytest.mark.promise(id="SEM-760")
async def test_a_function_that_builds_the_object_may_be_wrapped(make: Make) -> None:
    root = make("name: a, wrap: team.crew.make_thing, temperature: 1")
    async with Runtime(root) as runtime:
        assert (await runtime.ask("a", 1)).payload is None


@pytest.mark.promise(id="SEM-1109")
@pytest.mark.parametrize(
    ("agent", "raised", "words"),
    [
        ("wrap: 'team.crew:make_nothing'", StartFailed, "LookupError: no key for the model"),
        ("wrap: 'team.crew:make_thing', temprature: 1", TopologyError, ":3: .*'temperature'"),
        ("wrap: 'team.crew:make_number'", TopologyError, r":3: .*knows 5 \(built by make_number\)"),
        ("type: team.crew.NeedsLoop", None, ""),
        ("type: team.crew.NeedsLoop, process: w", None, ""),
    ],
)
async def test_a_check_calls_what_a_start_would_call(
    write: Write, module: WriteModule, plugins: PluginManager, agent: str, raised: Any, words: str
) -> None:
    module("team.__init__", "")
    module("team.crew", TEAM)
    topology = load(write(f"supervision:\n  children:\n    - agent: {{name: a, {agent}}}"))
    builder = Builder(topology, {}, plugins)
    builder.build(())
    if "process" in agent:
        builder.all_of("w")
    with pytest.raises(raised, match=words) if raised else nullcontext():
        await builder.try_out()


@pytest.mark.promise(id="SEM-1109")
def test_a_constructor_that_wants_the_event_loop_is_called_where_one_runs(make: Make) -> None:
    root = make("name: a, type: team.crew.NeedsLoop, mailbox_size: 7")  # none runs here

    async def ask() -> Any:
        async with Runtime(root) as runtime:
            first = (await runtime.ask("a", 1)).payload
            await runtime.restart("a")
            return [first, (await runtime.ask("a", 1)).payload]

    assert asyncio.run(ask()) == [7, 7]


def test_a_process_that_makes_each_of_many_agents_goes_through_the_topology_once(
    write: Write, module: WriteModule, plugins: PluginManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    module("team.__init__", "")
    module("team.crew", TEAM)
    names = [f"a{n}" for n in range(5)]
    agents = (f"{{agent: {{name: {n}, type: team.crew.Planner, process: w}}}}" for n in names)
    topology = load(write(f"supervision: {{children: [{', '.join(agents)}]}}"))
    build(topology, plugins=plugins)  # which puts the folder on the path
    walks = 0
    walk = Topology.walk

    def counted(self: Topology) -> Any:
        nonlocal walks
        walks += 1
        return walk(self)

    monkeypatch.setattr(Topology, "walk", counted)
    assert [Builder(topology, {}, plugins).one(name).name for name in names] == names
    assert walks == 1


@pytest.mark.promise(id="SEM-757")
def test_args_reach_a_constructor_that_takes_anything(make: Make) -> None:
    (agent,) = make("name: a, type: team.crew.Takes, args: {x: 1, y: [2]}").children
    assert agent.anything == {"x": 1, "y": [2]}  # type: ignore[union-attr]


def test_modules_beside_the_topology_stay_importable_for_what_agents_import_later(
    make: Make, tmp_path: Path
) -> None:
    make("name: a, type: team.crew.Planner")
    assert sys.path[0] == str(tmp_path)
    make("name: a, type: team.crew.Planner")
    assert sys.path.count(str(tmp_path)) == 1


def test_a_dict_names_modules_that_are_importable_already() -> None:
    agent = {"name": "a", "type": "civitas.process.AgentProcess"}
    root = build(load({"supervision": {"children": [{"agent": agent}]}}))
    assert type(root.children[0]) is AgentProcess


# What leads nowhere.


@pytest.mark.promise(id="SEM-753")
@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (
            "type: team.crew.Planer",
            "'team.crew' has no 'Planer'; did you mean 'Planner'? It has: Base",
        ),
        ("type: 'team.crew:Planer'", "did you mean 'Planner'?"),
        ("type: team.crw.Planner", "'team' has no 'crw'; did you mean 'crew'?"),
        ("type: 'team.crw:Planner'", "'team' has no module 'crw'; did you mean 'crew'?"),
        ("type: taem.crew.Planner", "there is no module 'taem' in "),
        ("type: taem.crew.Planner", "did you mean 'team'?"),
        ("type: 'nowhere_at_all.x:Planner'", "there is no module 'nowhere_at_all'"),
        ("type: team.crew.Planner.thing", "'team.crew.Planner' has no 'thing'"),
        ("type: team.Planner", "'team' has no 'Planner'. It has: crew"),
        ("type: Planner", "unknown agent type 'Planner'"),
        (
            "type: Thingi",
            "did you mean 'Thingy'? Known: Thingy; or write 'Thingi' as package.module",
        ),
        ("type: team.crew", "is not a subclass of AgentProcess but a module"),
        (
            "type: team.crew.number",
            "but a int; a framework's graph, agent or crew is named by 'wrap'",
        ),
        ("type: team.crew.Thing", "but the class Thing"),
        ("type: 'team crew'", "unknown agent type 'team crew'"),
        ("type: .team.crew", "is not the path of an object"),
        ("type: 'team:crew:x'", "is not the path of an object"),
        ("wrap: thing", "'thing' is not the path of an object"),
        ("wrap: 'team.crew:thin'", "did you mean 'thing'?"),
        ("wrap: 'team.crew:number'", "no installed adapter knows 5"),
        ("wrap: 'team.crew:Planner'", "is already an agent"),
        (
            "type: team.crew.Planner, stile: x",
            "unknown key 'stile' in Planner; did you mean 'style'?",
        ),
        ("type: team.crew.Sized, size: 1, stile: x", "did you mean 'style'?"),
        ("type: team.crew.Planner, mailbox_sise: 1", "did you mean 'mailbox_size'?"),
        ("type: team.crew.Planner, args: {mailbox: 1}, proces: x", "did you mean 'process'?"),
        ("type: team.crew.Closed, restart: transient", "unknown key 'restart' in Closed"),
        ("type: team.crew.Closed, args: {x: 1}", "unknown key 'x' in the arguments of Closed"),
        ("type: team.crew.Sized", "Sized needs 'size'"),
        ("type: team.crew.Renamed", "Renamed must pass its name on"),
        ("type: team.crew.Nameless", "its first argument is the name"),
        ("wrap: 'team.crew:thing', temprature: 1", "did you mean 'temperature'?"),
        ("wrap: 'team.crew:thing', process: w, durable: true", "a state store that outlives the"),
    ],
)
def test_what_leads_nowhere_is_named_with_its_line(make: Make, agent: str, words: str) -> None:
    with pytest.raises(TopologyError) as caught:
        make("name: first, type: team.crew.Planner", f"name: a, {agent}")
    assert words in str(caught.value)
    assert caught.value.line == 4


def test_the_line_is_that_of_the_word(write: Write, module: WriteModule) -> None:
    module("team2", TEAM)
    topology = load(
        write(
            """
            supervision:
              children:
                - agent:
                    name: a
                    type: team2.Planner
                    args:
                      style: x
                    max_size: 3
                - agent:
                    name: b
                    type: team2.Planer
            """
        )
    )
    with pytest.raises(TopologyError) as caught:
        build(topology)
    first, second = str(caught.value).splitlines()
    assert ":8: unknown key 'max_size'" in first
    assert ":11: 'team2' has no 'Planer'" in second


@pytest.mark.promise(id="SEM-757")
def test_the_line_is_that_of_the_option_an_adapter_refuses(
    write: Write, module: WriteModule, plugins: PluginManager
) -> None:
    module("team3", TEAM)
    topology = load(
        write(
            """
            supervision:
              children:
                - agent:
                    name: a
                    wrap: team3.thing
                    temperature: 1
                    temprature: 2
            """
        )
    )
    with pytest.raises(TopologyError, match=r":7: ThingAgent takes no 'temprature'"):
        build(topology, plugins=plugins)


def test_the_module_of_another_folder_is_not_taken_for_the_one_beside_the_topology(
    make: Make, module: WriteModule
) -> None:
    beside = module("textwrap", "class Agent: pass")
    with pytest.raises(TopologyError) as caught:
        make("name: a, type: textwrap.Agent")
    assert f"{str(beside)!r} cannot be imported: another module 'textwrap'" in str(caught.value)


# What breaks on the way.


@pytest.mark.promise(id="SEM-758")
@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import nowhere_at_all", ModuleNotFoundError),
        ("from team import nobody", ImportError),
        ("def x(:", SyntaxError),
        ("1 / 0", ZeroDivisionError),
        ("raise SystemExit(3)", SystemExit),
    ],
)
def test_an_error_inside_a_module_is_a_failed_start_with_its_cause(
    make: Make, module: WriteModule, source: str, cause: type[BaseException]
) -> None:
    module("team.broken", source)
    with pytest.raises(StartFailed) as caught:
        make("name: a, type: team.broken.Agent")
    assert caught.value.child == "a"
    assert type(caught.value.cause) is cause
    assert caught.value.__cause__ is caught.value.cause
    assert caught.value.cause.__traceback__ is not None


@pytest.mark.parametrize(
    ("agent", "cause"),
    [
        ("type: team.crew.Sized, size: 13", ValueError),
    ],
)
def test_a_constructor_that_raises_is_a_failed_start(
    make: Make, agent: str, cause: type[Exception]
) -> None:
    with pytest.raises(StartFailed) as caught:
        make(f"name: a, {agent}")
    assert type(caught.value.cause) is cause


def test_a_broken_plugin_is_reported_as_such(write: Write, module: WriteModule) -> None:
    class Broken:
        @civitas.plugins.hookimpl
        def civitas_agent_types(self) -> Any:
            return 5

    topology = load(write("supervision: {children: [{agent: {name: a, type: X}}]}"))
    with pytest.raises(PluginError):
        build(topology, plugins=PluginManager([Broken()], discover=False))


@pytest.mark.promise(id="SEM-1103")
def test_a_class_that_could_handle_nothing_is_named_with_its_line(
    write: Write, module: WriteModule, plugins: PluginManager
) -> None:
    module("handless", "from civitas import AgentProcess\nclass Handless(AgentProcess): pass\n")
    agents = "supervision:\n  children:\n    - agent: {name: a, type: handless.Handless%s}"
    with pytest.raises(TopologyError, match=r":3: .*Handless has no handle"):
        build(load(write(agents % "")), plugins=plugins)
    placed = load(write(agents % ", process: w"))
    with pytest.raises(TopologyError, match=r":3: .*Handless has no handle"):
        Builder(placed, {}, plugins).all_of("w")  # as `topology validate` does
