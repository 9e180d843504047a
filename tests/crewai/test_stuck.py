"""Crews that make no progress for longer than their agent allows."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from crewai import BaseLLM
from crewai.events.types.llm_events import LLMCallType
from crewai.llms.base_llm import llm_call_context
from crewai.tools import tool

from civitas.errors import HandlerFailed
from civitas.testing import SuiteModel, ToolCall
from civitas_crewai import CrewAIAgent
from tests.core.frameworks.support import running
from tests.crewai.crews import clerk, crew_of, task

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

LIMIT = 0.4
"""Seconds; CrewAI itself takes some time between two calls."""


class Slow(BaseLLM):
    """Takes more than the limit for an answer, and says something now and then where it streams."""

    def call(self, messages: Any, tools: Any = None, *args: Any, **keywords: Any) -> Any:
        with llm_call_context():
            for number in range(4):
                time.sleep(LIMIT / 3)
                if self.stream:
                    self._emit_stream_chunk_event(f"{number} ", call_type=LLMCallType.LLM_CALL)
            return "slowly"


@pytest.mark.promise(id="SEM-1714")
async def test_a_model_that_streams_slowly_lives_though_nobody_reads() -> None:
    crew = CrewAIAgent(
        "c", crew=lambda: crew_of(task(clerk(Slow(model="slow")))), progress_timeout=LIMIT
    )
    async with running(crew) as runtime:
        assert (await runtime.ask("c", {})).payload["output"] == "slowly"


@pytest.mark.promise(id="SEM-1713")
async def test_a_tool_that_hangs_is_left_behind_and_named() -> None:
    let_go = threading.Event()

    @tool("search")
    def search(q: str) -> str:
        """Search."""
        let_go.wait(10)
        return "found"

    model = SuiteModel(ToolCall("search", {"q": "x"}), "after")
    crew = CrewAIAgent(
        "c", crew=lambda: crew_of(task(clerk(model, tools=[search]))), progress_timeout=LIMIT
    )
    async with running(crew) as runtime:
        began = time.monotonic()
        with pytest.raises(HandlerFailed, match="last, the tool 'search' was called"):
            await runtime.ask("c", {})
        assert time.monotonic() - began < 5
        assert (await runtime.ask("c", {})).payload["output"] == "after"
        let_go.set()
