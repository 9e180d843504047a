"""Recent traces on the page, which nobody records while nobody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from civitas.control.operations import Operations
from civitas.runtime import Runtime
from civitas.telemetry.joining import tracer_provider
from tests.core.web.conftest import text_of

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(autouse=True)
def no_provider(monkeypatch: pytest.MonkeyPatch) -> None:
    """The API takes one provider in the life of a process."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)


@pytest.fixture
def operations(runtime: Runtime) -> Iterator[Operations]:
    operations = Operations(runtime)
    yield operations
    operations.close()


async def traces(operations: Operations, opened: str = "") -> dict[str, Any]:
    answer = await operations.answer({"op": "traces", "opened": opened})
    told: dict[str, Any] = answer["ok"]
    return told


@pytest.mark.promise(id="SEM-1803")
async def test_a_trace_is_shown_as_a_waterfall_with_what_failed(
    runtime: Runtime, serve: Callable[..., Any], page: Any
) -> None:
    async with serve() as web:
        await page.goto(web.url)
        await page.get_by_role("button", name="Record").click()
        await text_of(page, "#traces", "as soon as an agent is sent a message")
        await runtime.send("planner", "the card was refused", message_type="crash")
        await page.locator(".traces > li.bad button", has_text="send planner").click()
        await text_of(page, ".waterfall li.bad", "process planner")
        await text_of(page, ".waterfall p", "ValueError: the card was refused")


@pytest.mark.promise(id="SEM-1803")
async def test_spans_are_made_only_while_somebody_looks(
    runtime: Runtime, operations: Operations
) -> None:
    def records() -> bool:
        return runtime._node.tracing.active

    for _ in range(2):
        assert not records()
        assert (await traces(operations))["traces"] == []
        assert records()
        await runtime.ask("orders", "hello")
        [found] = (await traces(operations))["traces"]
        assert (found["name"], found["spans"]) == ("send orders", 2)
        [sent, handled] = (await traces(operations, found["id"]))["spans"]
        assert (sent["depth"], handled["depth"]) == (0, 1)
        assert sent["start"] <= handled["start"]
        operations.close()
        assert tracer_provider() is None


async def test_the_provider_of_the_application_is_joined_and_left_as_it_is(
    runtime: Runtime, operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = TracerProvider()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    await traces(operations)
    await runtime.ask("orders", "hello")
    assert len((await traces(operations))["traces"]) == 1
    operations.close()
    assert tracer_provider() is provider
    await runtime.ask("orders", "nobody looks")
    assert (await traces(operations))["traces"] == []


async def test_the_newest_traces_are_kept_within_a_bound(
    runtime: Runtime, operations: Operations
) -> None:
    await traces(operations)
    for number in range(70):
        await runtime.ask("orders", number)
    assert len((await traces(operations))["traces"]) == 60
