"""Plugins that do not fit: the error names the plugin, the hook, and what does not fit."""

from __future__ import annotations

import types
from typing import Any

import pytest

from civitas.errors import PluginError
from civitas.plugins import PluginManager, hookimpl
from civitas.state import InMemoryStateStore


def module(name: str = "shop", /, **functions: Any) -> types.ModuleType:
    made = types.ModuleType(name)
    for key, function in functions.items():
        setattr(made, key, hookimpl(function))
    return made


def refused(*plugins: Any) -> PluginError:
    with pytest.raises(PluginError) as failure:
        PluginManager(plugins, discover=False).load()
    return failure.value


@pytest.mark.promise(id="SEM-703")
def test_an_unknown_hook_names_the_nearest():
    error = refused(module(civitas_state_store=lambda: {"redis": InMemoryStateStore}))
    assert (error.plugin, error.hook) == ("shop", "civitas_state_store")
    assert "did you mean civitas_state_stores?" in str(error)


def test_a_hook_far_from_any_lists_all_there_are():
    error = refused(module(zzz=lambda: {"redis": InMemoryStateStore}))
    assert "there are: civitas_state_stores" in str(error)


@pytest.mark.promise(id="SEM-703")
def test_an_argument_that_nobody_gives_is_named():
    error = refused(module(civitas_on_event=lambda evnt: None))
    assert (error.plugin, error.hook) == ("shop", "civitas_on_event")
    assert "takes 'evnt'" in str(error)
    assert "it is given: event" in str(error)


def test_a_hook_without_arguments_says_so():
    error = refused(module(civitas_state_stores=lambda config: {}))
    assert "takes 'config', which it is not given; it is given no arguments" in str(error)


def test_an_argument_that_must_be_given_by_keyword_is_one_too():
    def civitas_on_event(event, *, loud):
        pass

    assert "takes 'loud'" in str(refused(module(civitas_on_event=civitas_on_event)))


@pytest.mark.promise(id="SEM-703")
@pytest.mark.parametrize(
    ("offered", "text"),
    [
        (["redis"], "returned ['redis']; return a dict"),
        (None, "returned None; return a dict"),
        ({1: InMemoryStateStore}, "1 is not a name"),
        ({"": InMemoryStateStore}, "'' is not a name"),
        ({"redis": InMemoryStateStore()}, "it must be a class"),
        ({"redis": "shop:Redis"}, "'redis' is 'shop:Redis'; it must be a class"),
        ({"redis": type("Redis", (), {"get": print})}, "Redis has no set and no delete"),
    ],
)
def test_what_a_contributing_hook_returns_must_fit(offered, text):
    error = refused(module(civitas_state_stores=lambda: offered))
    assert (error.plugin, error.hook) == ("shop", "civitas_state_stores")
    assert text in str(error)


@pytest.mark.promise(id="SEM-703")
@pytest.mark.parametrize(
    ("hook", "lacks"),
    [
        ("civitas_transports", "problems and no access and no for_root"),
        ("civitas_agent_types", "handle"),
        ("civitas_model_providers", "chat"),
        ("civitas_tool_providers", "call"),
    ],
)
def test_a_class_without_what_it_is_for_is_refused(hook, lacks):
    error = refused(module(**{hook: lambda: {"mine": type("Mine", (), {})}}))
    assert f"'mine': Mine has no {lacks}" in str(error)


def test_a_hook_that_raises_is_refused_with_its_error():
    def civitas_state_stores():
        raise ImportError("no module named redis")

    error = refused(module(civitas_state_stores=civitas_state_stores))
    assert "raised ImportError: no module named redis" in str(error)
    assert isinstance(error.__cause__, ImportError)


@pytest.mark.promise(id="SEM-705")
def test_a_name_taken_twice_names_both_plugins():
    first = module("first", civitas_state_stores=lambda: {"redis": InMemoryStateStore})
    second = module("second", civitas_state_stores=lambda: {"redis": InMemoryStateStore})
    error = refused(first, second)
    assert (error.plugin, error.hook) == ("second", "civitas_state_stores")
    assert "'redis' is taken by plugin 'first'" in str(error)


def test_the_name_of_a_built_in_store_is_taken():
    error = refused(module(civitas_state_stores=lambda: {"sqlite": InMemoryStateStore}))
    assert "'sqlite' is taken by plugin 'civitas'" in str(error)


def test_an_async_hook_is_refused():
    async def civitas_on_event(event):
        pass

    assert "is async; hooks are plain functions" in str(
        refused(module(civitas_on_event=civitas_on_event))
    )


def test_a_hook_wrapper_is_refused():
    class Plugin:
        @hookimpl(wrapper=True)
        def civitas_wrap(self, obj):
            return (yield)

    assert "is a hook wrapper" in str(refused(Plugin()))


def test_a_hook_that_is_not_marked_is_noticed():
    plugin = types.ModuleType("shop")
    plugin.civitas_state_stores = lambda: {"redis": InMemoryStateStore}  # type: ignore[attr-defined]
    assert "put @civitas.hookimpl above it" in str(refused(plugin))


def test_a_module_without_hooks_is_refused():
    assert "this module has no hooks" in str(refused(types.ModuleType("shop")))


def test_a_class_is_refused_where_an_instance_is_meant():
    class Plugin:
        @hookimpl
        def civitas_state_stores(self):
            return {}

    assert "is a class; pass an instance" in str(refused(Plugin))


@pytest.mark.parametrize("plugin", ["shop.plugin", None, b"shop"])
def test_what_is_no_plugin_is_refused(plugin):
    assert "is not a plugin; pass a module or an object" in str(refused(plugin))


def test_two_plugins_of_one_name_are_refused():
    first = module("shop", civitas_on_event=lambda event: None)
    second = module("shop", civitas_on_event=lambda event: None)
    assert "another plugin has the same name" in str(refused(first, second))


def test_the_same_plugin_twice_counts_once():
    plugin = module(civitas_on_event=lambda event: None)
    found = PluginManager([plugin, plugin], discover=False).found()
    assert [each.name for each in found] == ["civitas", "shop"]


def test_a_refused_plugin_leaves_nothing_of_itself_behind():
    plugin = module(
        civitas_agent_types=lambda: {"fine": type("Fine", (), {"handle": print})},
        civitas_state_stores=lambda: None,
    )
    plugins = PluginManager([plugin], discover=False)
    for _ in range(2):
        with pytest.raises(PluginError, match="return a dict"):
            plugins.agent_types()


def test_an_object_that_cannot_be_looked_at_is_refused():
    class Plugin:
        def __dir__(self):
            raise RuntimeError("no")

    assert "raised RuntimeError: no" in str(refused(Plugin()))


def test_a_property_of_a_plugin_is_not_run_by_looking_at_it():
    class Plugin:
        @property
        def expensive(self):
            raise AssertionError("somebody looked")

        @hookimpl
        def civitas_on_event(self, event):
            pass

    PluginManager([Plugin()], discover=False).load()
