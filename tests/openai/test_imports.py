"""What importing the adapter does, and does not do; and what its first run does."""

from __future__ import annotations

import pytest

from tests.core.frameworks.subprocess_support import run_alone

# Each imports the framework in a process of its own.
pytestmark = pytest.mark.timeout(90)

RUN = """
import asyncio
from agents import Agent, OpenAIChatCompletionsModel
from agents.tracing import TracingProcessor, add_trace_processor, get_trace_provider
from agents.tracing.processors import default_processor
from openai import AsyncOpenAI
from civitas.demo.model_server import ModelServer
from civitas.runtime import Runtime
from civitas.supervision import Supervisor
from civitas_openai import OpenAIAgent

async def main():
    with ModelServer(lambda body: "hello") as server:
        client = AsyncOpenAI(base_url=server.url, api_key="x")
        agent = Agent(name="a", model=OpenAIChatCompletionsModel("m1", openai_client=client))
        async with Runtime(Supervisor("root", children=[OpenAIAgent("o", agent=agent)])) as runtime:
            print((await runtime.ask("o", {"input": "hi"})).payload["output"])
        await client.close()

def installed():
    return get_trace_provider()._multi_processor._processors
"""


def test_the_package_and_its_plugin_import_no_framework(tmp_path):
    (found,) = run_alone(
        """
        import civitas_openai, civitas_openai.plugin
        assert civitas_openai.plugin.civitas_wrap(object(), "x", {}) is None
        print([name for name in sys.modules if name.split(".")[0] in ("agents", "openai")])
        """,
        tmp_path,
    )
    assert found == "[]"


def test_a_run_reaches_for_nobody_outside_and_nothing_waits_to_be_exported(tmp_path):
    lines = run_alone(
        RUN
        + """
import signal
before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
asyncio.run(main())
default_processor().force_flush()
print(outside, installed())
print(before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)])
""",
        tmp_path,
        OPENAI_API_KEY="sk-for-the-model",
    )
    assert lines == ["hello", "[] ()", "True"]


def test_trace_processors_of_the_users_own_stay(tmp_path):
    lines = run_alone(
        RUN
        + """
class Mine(TracingProcessor):
    def on_trace_start(self, trace): print("heard")
    def on_trace_end(self, trace): pass
    def on_span_start(self, span): pass
    def on_span_end(self, span): pass
    def shutdown(self): pass
    def force_flush(self): pass

add_trace_processor(Mine())
asyncio.run(main())
print([type(each).__name__ for each in installed()])
""",
        tmp_path,
    )
    assert lines == ["heard", "hello", "['Mine']"]


def test_the_vendors_export_stays_where_it_was_asked_for(tmp_path):
    ask = "from agents import set_tracing_export_api_key\nset_tracing_export_api_key('mine')\n"
    show = "asyncio.run(main())\nprint(installed() == (default_processor(),))\n"
    # Nothing is sent: the process ends before the first batch, and the exporter's flush is refused.
    end = "from agents.tracing import set_trace_processors\nset_trace_processors([])\n"
    assert run_alone(RUN + ask + show + end, tmp_path)[-1] == "True"
    switch = {"OPENAI_AGENTS_DISABLE_TRACING": "0"}
    assert run_alone(RUN + show + end, tmp_path, **switch)[-1] == "True"
