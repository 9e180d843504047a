"""`wrap`: from an object to an agent."""

from __future__ import annotations

import re
import sys
import types
from typing import Any

import pytest

from civitas.errors import ConfigurationError
from civitas.frameworks import comes_from, wrap
from civitas.frameworks.wrapping import wrap_with
from civitas.plugins import PluginManager, hookimpl
from civitas.process import AgentProcess
from civitas.supervision import ConversationPool
from tests.core.frameworks.machine import Machine, MachineAgent


class MachineAdapter:
    @hookimpl
    def civitas_wrap(self, obj: Any, name: str, options: dict[str, Any]) -> AgentProcess | None:
        return MachineAgent(name, machine=obj, **options) if isinstance(obj, Machine) else None


@pytest.fixture
def plugins() -> PluginManager:
    return PluginManager([MachineAdapter()], discover=False)


def test_the_adapter_that_knows_the_object_makes_the_agent(plugins):
    agent = wrap_with(plugins, Machine(), "m", {"max_retries": 1})
    assert isinstance(agent, MachineAgent)
    assert agent.name == "m"


@pytest.mark.promise(id="SEM-977")
def test_per_conversation_gives_a_pool_with_the_agent_as_its_template(plugins):
    options = {"per_conversation": True, "max_live": 7, "durable": True}
    pool = wrap_with(plugins, Machine(), "m", options)
    assert isinstance(pool, ConversationPool)
    assert (pool.name, pool.max_live) == ("m", 7)
    assert isinstance(pool.child, MachineAgent)
    assert pool.child.durable


def test_per_conversation_is_true_or_false(plugins):
    with pytest.raises(
        ConfigurationError, match="per_conversation must be True or False; got 'yes'"
    ):
        wrap_with(plugins, Machine(), "m", {"per_conversation": "yes"})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"per_conversation": True, "idle_timout": 5}, "did you mean 'idle_timeout'?"),
        ({"max_live": 5}, "that is of a pool, so add per_conversation=True"),
    ],
)
def test_an_option_of_a_pool_that_does_not_fit_is_told_from_those_of_an_agent(
    plugins, options: dict[str, Any], words: str
):
    with pytest.raises(ConfigurationError, match=re.escape(words)):
        wrap_with(plugins, Machine(), "m", options)


def test_an_object_that_nobody_knows_is_an_error_with_its_type_and_the_adapters(plugins):
    with pytest.raises(
        ConfigurationError, match=r"object of type decimal\.Decimal.*adapters: none"
    ):
        wrap_with(plugins, __import__("decimal").Decimal(1), "m", {})


def test_an_agent_needs_no_wrapping(plugins):
    with pytest.raises(ConfigurationError, match="is already an agent"):
        wrap_with(plugins, MachineAgent("a", machine=Machine()), "m", {})
    with pytest.raises(ConfigurationError, match="is already an agent"):
        wrap_with(plugins, MachineAgent, "m", {})


def test_an_object_of_a_framework_without_its_adapter_names_the_package_to_install(
    plugins, monkeypatch
):
    monkeypatch.setitem(sys.modules, "crewai", types.ModuleType("crewai"))
    crew = type("Crew", (), {"__module__": "crewai.crew"})()
    with pytest.raises(ConfigurationError, match="pip install civitas-crewai"):
        wrap_with(plugins, crew, "m", {})


def test_wrap_itself_asks_the_installed_adapters():
    with pytest.raises(ConfigurationError, match="no installed adapter knows 5"):
        wrap(5, name="m")


def test_wrap_takes_the_name_as_its_second_argument():
    with pytest.raises(ConfigurationError, match="name='m'"):
        wrap(5, "m")


def test_classes_are_recognised_by_name_along_their_bases():
    base = type("Graph", (), {"__module__": "langgraph.graph.state"})
    mine = type("Mine", (base,), {"__module__": "app"})
    assert comes_from(mine(), "langgraph")
    assert comes_from(mine(), "langgraph", "Graph")
    assert not comes_from(mine(), "langgraph", "Pregel")
    assert not comes_from(mine(), "lang")
