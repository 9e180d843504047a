"""What importing the adapter does, and what CrewAI would do without it."""

from __future__ import annotations

import pytest

from tests.core.frameworks.subprocess_support import run_alone

# Each imports the framework in a process of its own.
pytestmark = pytest.mark.timeout(90)

# Signals whose handlers CrewAI's telemetry would replace.
SIGNALS = """
import os, signal, warnings
def handlers():
    return [signal.getsignal(getattr(signal, name)) for name in ("SIGTERM", "SIGINT", "SIGHUP", "SIGTSTP", "SIGCONT")]
before, warn = handlers(), warnings.warn
"""
AFTER = """
print(outside)
print(handlers() == before, warnings.warn is warn)
"""


def test_the_package_and_its_plugin_import_no_framework(tmp_path):
    (found,) = run_alone(
        """
        import civitas_crewai, civitas_crewai.plugin
        assert civitas_crewai.plugin.civitas_wrap(object(), "x", {}) is None
        print([name for name in sys.modules if name.split(".")[0] == "crewai"])
        """,
        tmp_path,
    )
    assert found == "[]"


@pytest.mark.slow
def test_after_the_adapter_crewai_reaches_for_nobody_and_leaves_the_process_alone(tmp_path):
    run = """
import asyncio
from civitas_crewai import CrewAIAgent
from crewai import LLM, Agent, Crew, Task
from civitas.demo.model_server import ModelServer
from civitas.runtime import Runtime
from civitas.supervision import Supervisor

async def main():
    with ModelServer(lambda body: "an answer") as server:
        llm = LLM(model="openai/m1", base_url=server.url, api_key="x")
        writer = Agent(role="Writer", goal="Write", backstory="You write.", llm=llm)
        task = Task(description="Write", expected_output="Text", agent=writer)
        agent = CrewAIAgent("c", crew=Crew(agents=[writer], tasks=[task]))
        async with Runtime(Supervisor("root", children=[agent])) as runtime:
            print((await runtime.ask("c", {})).payload["output"])

asyncio.run(main())
"""
    lines = run_alone(SIGNALS + run + AFTER, tmp_path)
    assert lines == ["an answer", "[]", "True True"]


@pytest.mark.slow
def test_what_an_earlier_import_of_crewai_left_behind_is_taken_back(tmp_path):
    code = """
import crewai
print(handlers() == before)
import civitas_crewai
civitas_crewai.CrewAIAgent
outside.clear()  # the import itself did reach out, before anybody could say no
"""
    lines = run_alone(SIGNALS + code + AFTER, tmp_path)
    assert lines == ["False", "[]", "True True"]


@pytest.mark.slow
def test_loading_the_plugins_is_enough_for_a_users_own_import(tmp_path):
    code = """
from civitas.plugins import PluginManager
PluginManager().load()
import crewai
import civitas_crewai
civitas_crewai.CrewAIAgent
"""
    assert run_alone(SIGNALS + code + AFTER, tmp_path) == ["[]", "True True"]


@pytest.mark.slow
def test_a_topology_loads_the_adapter_before_the_module_that_it_wraps(tmp_path):
    (tmp_path / "mine.py").write_text(
        "from crewai import Agent, Crew, Task\n"
        "who = Agent(role='a', goal='b', backstory='c', llm='openai/gpt-4o-mini')\n"
        "crew = Crew(agents=[who], tasks=[Task(description='d', expected_output='e', agent=who)])\n"
    )
    code = """
os.environ["OPENAI_API_KEY"] = "x"
from civitas import Runtime
children = [{"agent": {"name": "c", "wrap": "mine:crew"}}]
sys.path.insert(0, os.getcwd())
Runtime.from_config({"supervision": {"children": children}})
"""
    assert run_alone(SIGNALS + code + AFTER, tmp_path) == ["[]", "True True"]


def test_who_wants_crewais_telemetry_keeps_it(tmp_path):
    (found,) = run_alone(
        """
        import os, civitas_crewai
        print(os.environ["CREWAI_DISABLE_TELEMETRY"], os.environ["CREWAI_TRACING_ENABLED"])
        """,
        tmp_path,
        CREWAI_DISABLE_TELEMETRY="false",
    )
    assert found == "false false"
