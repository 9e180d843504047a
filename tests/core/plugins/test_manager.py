"""Plugins that fit: what they offer, and how they are asked."""

from __future__ import annotations

import types
from typing import Any

import pytest

from civitas.errors import ConfigurationError, PluginError
from civitas.events import Event
from civitas.plugins import PluginManager, hookimpl
from civitas.plugins.check import HOOKS
from civitas.state import InMemoryStateStore, NatsKVStateStore, SQLiteStateStore
from civitas.transport.zmq import ZmqCarrier


class Agent:
    """Looks enough like an AgentProcess for a plugin manager."""

    def __init__(self, name: str = "agent") -> None:
        self.name = name

    def handle(self, message: Any) -> None: ...


class Redis(InMemoryStateStore):
    pass


EVENT = Event("crashed", "agent", "root", "crashed", "boom", 0.0)


def manager(*plugins: object) -> PluginManager:
    return PluginManager(plugins, discover=False)


def module(name: str, /, **functions: Any) -> types.ModuleType:
    made = types.ModuleType(name)
    for key, function in functions.items():
        setattr(made, key, hookimpl(function))
    return made


def hear(seen: list[Event]):
    def civitas_on_event(event: Event) -> None:
        seen.append(event)

    return civitas_on_event


@pytest.mark.promise(id="SEM-702")
def test_there_are_the_hooks_of_the_contract_one_for_adapters_and_one_for_traces():
    assert set(HOOKS) == {
        "civitas_state_stores",
        "civitas_transports",
        "civitas_agent_types",
        "civitas_model_providers",
        "civitas_tool_providers",
        "civitas_redact",
        "civitas_wrap",
        "civitas_on_event",
        "civitas_messages",
    }


def test_the_built_in_stores_are_there_without_any_plugin():
    assert manager().state_stores() == {
        "memory": InMemoryStateStore,
        "sqlite": SQLiteStateStore,
        "nats_kv": NatsKVStateStore,
    }


def test_the_built_in_carriers_are_there_without_any_plugin():
    assert set(manager().transports()) == {"in_process", "nats", "zmq"}


@pytest.mark.promise(id="SEM-701")
def test_a_module_can_be_a_plugin():
    plugin = module("shop.plugin", civitas_state_stores=lambda: {"redis": Redis})
    assert manager(plugin).state_stores()["redis"] is Redis


@pytest.mark.promise(id="SEM-701")
def test_an_object_can_be_a_plugin():
    class Plugin:
        def __init__(self) -> None:
            self.names = {"redis": Redis}

        @hookimpl
        def civitas_state_stores(self):
            return self.names

    assert manager(Plugin()).state_stores()["redis"] is Redis


def test_static_and_class_methods_of_an_object_can_be_hooks():
    class Plugin:
        @staticmethod
        @hookimpl
        def civitas_state_stores():
            return {"redis": Redis}

        @classmethod
        @hookimpl
        def civitas_agent_types(cls):
            return {"short": Agent}

    plugins = manager(Plugin())
    assert plugins.state_stores()["redis"] is Redis
    assert plugins.agent_types() == {"short": Agent}


@pytest.mark.parametrize(
    ("hook", "method", "offered"),
    [
        ("civitas_transports", "transports", ZmqCarrier),
        ("civitas_agent_types", "agent_types", Agent),
        ("civitas_model_providers", "model_providers", type("Model", (), {"chat": print})),
        ("civitas_tool_providers", "tool_providers", type("Tool", (), {"call": print})),
    ],
)
def test_each_kind_of_contribution_comes_out_by_its_name(hook, method, offered):
    plugin = module("shop", **{hook: lambda: {"mine": offered}})
    assert getattr(manager(plugin), method)()["mine"] is offered


def test_contributions_of_several_plugins_are_merged():
    first = module("first", civitas_agent_types=lambda: {"a": Agent})
    second = module("second", civitas_agent_types=lambda: {"b": Agent})
    assert set(manager(first, second).agent_types()) == {"a", "b"}


def test_a_function_that_makes_a_store_will_do_for_a_class():
    def make(url: str) -> Redis:
        return Redis()

    plugin = module("shop", civitas_state_stores=lambda: {"redis": make})
    assert manager(plugin).state_stores()["redis"] is make


def test_what_comes_out_can_be_changed_without_changing_the_plugins():
    plugins = manager()
    plugins.state_stores().clear()
    assert "sqlite" in plugins.state_stores()


def test_a_hook_may_leave_out_arguments():
    seen = []

    def civitas_wrap(name):
        return Agent(name)

    plugin = module("shop", civitas_wrap=civitas_wrap, civitas_on_event=lambda: seen.append(1))
    plugins = manager(plugin)
    assert plugins.wrap(object(), "mine", {}).name == "mine"
    plugins.emit(EVENT)
    assert seen == [1]


def test_a_hook_may_have_another_name_for_the_function():
    class Plugin:
        @hookimpl(specname="civitas_agent_types")
        def my_types(self):
            return {"short": Agent}

    assert manager(Plugin()).agent_types() == {"short": Agent}


# wrap


@pytest.mark.promise(id="SEM-706")
def test_wrap_is_none_where_no_plugin_knows_the_object():
    plugin = module("shop", civitas_wrap=lambda obj, name, options: None)
    assert manager(plugin).wrap(object(), "agent", {}) is None


@pytest.mark.promise(id="SEM-706")
def test_the_first_plugin_that_knows_the_object_wraps_it():
    asked = []

    def knows(word: str):
        def civitas_wrap(obj, name, options):
            asked.append(word)
            return Agent(f"{word}-{name}-{options['size']}") if obj == word else None

        return civitas_wrap

    plugins = manager(
        *(module(word, civitas_wrap=knows(word)) for word in ("graph", "crew", "agent"))
    )
    assert plugins.wrap("crew", "x", {"size": 3}).name == "crew-x-3"
    assert asked in (["graph", "crew"], ["agent", "crew"])


def test_an_error_of_civitas_in_wrap_reaches_whoever_wraps():
    def civitas_wrap(obj, name, options):
        raise ConfigurationError("this graph has no checkpointer")

    with pytest.raises(ConfigurationError, match="no checkpointer"):
        manager(module("shop", civitas_wrap=civitas_wrap)).wrap(object(), "agent", {})


def test_a_plugin_that_breaks_in_wrap_does_not_stop_the_one_that_knows_the_object():
    broken = module("broken", civitas_wrap=lambda obj: obj.no_such_thing)
    good = module("good", civitas_wrap=lambda obj, name: Agent(name))
    for plugins in (manager(broken, good), manager(good, broken)):
        assert plugins.wrap(object(), "agent", {}).name == "agent"


def test_a_plugin_that_breaks_in_wrap_is_named_when_nobody_knows_the_object():
    broken = module("broken", civitas_wrap=lambda obj: obj.no_such_thing)
    with pytest.raises(PluginError, match="no_such_thing") as failure:
        manager(broken).wrap(object(), "agent", {})
    assert (failure.value.plugin, failure.value.hook) == ("broken", "civitas_wrap")
    assert isinstance(failure.value.__cause__, AttributeError)


def test_wrap_must_return_an_agent():
    plugin = module("shop", civitas_wrap=lambda obj: "an agent")
    with pytest.raises(PluginError, match="returned a str; return an AgentProcess"):
        manager(plugin).wrap(object(), "agent", {})


# emit


@pytest.mark.promise(id="SEM-707")
def test_every_plugin_that_listens_gets_the_event():
    seen: list[Event] = []
    plugins = manager(
        module("first", civitas_on_event=hear(seen)),
        module("second", civitas_on_event=hear(seen)),
    )
    plugins.emit(EVENT)
    assert seen == [EVENT, EVENT]


@pytest.mark.promise(id="SEM-707")
@pytest.mark.parametrize("error", [ValueError("boom"), SystemExit(3)])
def test_a_listener_that_raises_is_logged_and_the_others_still_hear(caplog, error):
    seen: list[Event] = []

    def raises(event: Event) -> None:
        raise error

    plugins = manager(
        module("first", civitas_on_event=hear(seen)),
        module("broken", civitas_on_event=raises),
        module("last", civitas_on_event=hear(seen)),
    )
    plugins.emit(EVENT)
    assert len(seen) == 2
    assert "'broken'" in caplog.text
    assert "civitas_on_event" in caplog.text


# found


def test_found_says_what_each_plugin_offers_and_where_it_comes_from():
    plugin = module(
        "shop.plugin",
        civitas_state_stores=lambda: {"redis": Redis, "etcd": Redis},
        civitas_on_event=lambda event: None,
    )
    built_in, mine = manager(plugin).found()
    assert (built_in.name, built_in.source) == ("civitas", "built in")
    assert built_in.provides == {
        "civitas_state_stores": ("memory", "nats_kv", "sqlite"),
        "civitas_transports": ("in_process", "nats", "zmq"),
    }
    assert (mine.name, mine.source) == ("shop.plugin", "passed as plugins=")
    assert mine.hooks == ("civitas_on_event", "civitas_state_stores")
    assert mine.provides == {"civitas_state_stores": ("etcd", "redis")}
    assert mine.error is None


def test_the_hooks_that_contribute_are_called_once():
    calls = []

    def civitas_state_stores():
        calls.append(1)
        return {"redis": Redis}

    plugins = manager(module("shop", civitas_state_stores=civitas_state_stores))
    for _ in range(3):
        plugins.state_stores()
        plugins.agent_types()
        plugins.found()
    assert calls == [1]


@pytest.mark.promise(id="SEM-1709")
def test_each_plugin_redacts_what_the_one_asked_before_left():
    def first(attribute: str, content: Any) -> Any:
        return f"{content} 1"

    def second(content: Any) -> Any:
        return None if content == "drop" else f"{content} 2"

    both = manager(module("a", civitas_redact=first), module("b", civitas_redact=second))
    redact = both.redactor()
    assert redact is not None
    assert redact("gen_ai.tool.call.result", "x") == "x 2 1"
    assert redact("gen_ai.tool.call.result", "drop") is None
    assert manager().redactor() is None
