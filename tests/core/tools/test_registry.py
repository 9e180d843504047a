"""The tools of a runtime, by name."""

from __future__ import annotations

import pytest
from opentelemetry.trace import StatusCode

from civitas.errors import ConfigurationError
from civitas.telemetry import Tracing, names
from civitas.tools import ToolProvider, ToolRegistry, UnknownTool, tool
from tests.core.telemetry.support import Recorded


@tool
async def search(query: str) -> str:
    """Search."""
    if query == "broken":
        raise ConnectionError("index is gone")
    return f"found {query}"


def fetch(url: str) -> str:
    """Fetch."""
    return f"fetched {url}"


class Clock:
    name = "clock"
    description = "The time."
    parameters = {"type": "object", "properties": {}}
    zone = "UTC"

    async def call(self, **arguments):
        return "noon"


def test_it_is_a_mapping_of_names_to_tools():
    registry = ToolRegistry([search, Clock()])
    assert list(registry) == ["search", "clock"]
    assert len(registry) == 2
    assert "search" in registry
    assert "nothing" not in registry
    assert registry.get("nothing") is None
    assert all(isinstance(each, ToolProvider) for each in registry.values())


@pytest.mark.promise(id="SEM-715")
async def test_a_tool_is_called_by_its_name():
    registry = ToolRegistry([search, Clock()])
    assert await registry.call("search", query="x") == "found x"
    assert await registry["clock"].call() == "noon"


@pytest.mark.promise(id="SEM-712")
async def test_a_typed_function_is_made_a_tool():
    assert await ToolRegistry([fetch]).call("fetch", url="/") == "fetched /"


async def test_an_argument_may_be_called_name():
    async def greet(name: str) -> str:
        """Greet."""
        return f"hello {name}"

    assert await ToolRegistry([greet]).call("greet", name="you") == "hello you"


@pytest.mark.promise(id="SEM-715")
def test_an_unknown_name_says_the_nearest():
    with pytest.raises(UnknownTool) as failure:
        ToolRegistry([search, fetch])["serch"]
    assert str(failure.value) == "no tool is named 'serch'; did you mean 'search'?"
    assert failure.value.suggestions == ("search",)
    assert isinstance(failure.value, KeyError)
    assert isinstance(failure.value, ConfigurationError)


def test_an_unknown_name_far_from_any_lists_all_there_are():
    with pytest.raises(UnknownTool, match="there are: fetch, search"):
        ToolRegistry([search, fetch])["zzz"]
    with pytest.raises(UnknownTool, match=r"give the runtime some with tools=\[...\]"):
        ToolRegistry()["zzz"]


def test_two_tools_of_one_name_are_refused():
    with pytest.raises(ConfigurationError, match="two tools are named 'search'"):
        ToolRegistry([search, search])


@pytest.mark.parametrize("given", ["search", 7, None, Clock, object()])
def test_what_is_no_tool_is_refused(given):
    with pytest.raises(ConfigurationError, match="is not a tool"):
        ToolRegistry([given])


def test_schemas_are_not_made_before_somebody_asks():
    @tool
    def opaque(where: NoSuchType) -> None:  # type: ignore[name-defined]  # noqa: F821
        """Its schema cannot be made."""

    assert "opaque" in ToolRegistry([opaque], Tracing())


@pytest.mark.promise(id="SEM-713")
async def test_calls_are_spans_without_arguments_or_results(monkeypatch):
    recorded = Recorded(monkeypatch)
    tracing = Tracing()
    tracing.refresh()
    registry = ToolRegistry([search], tracing)
    await registry.call("search", query="a secret")
    span = recorded.span("execute_tool search")
    assert dict(span.attributes or {})[names.TOOL_NAME] == "search"
    assert "secret" not in span.to_json()


async def test_a_call_that_fails_marks_its_span(monkeypatch):
    recorded = Recorded(monkeypatch)
    tracing = Tracing()
    tracing.refresh()
    with pytest.raises(ConnectionError):
        await ToolRegistry([search], tracing).call("search", query="broken")
    assert recorded.span("execute_tool search").status.status_code is StatusCode.ERROR


async def test_a_traced_tool_shows_everything_that_the_tool_has():
    registry = ToolRegistry([Clock(), search], Tracing())
    assert getattr(registry["clock"], "zone") == "UTC"  # noqa: B009  # beyond the protocol
    assert registry["search"].parameters == search.parameters
    assert registry["search"].description == "Search."
