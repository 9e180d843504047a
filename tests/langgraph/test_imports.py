"""What importing the adapter does, and does not do."""

from __future__ import annotations

import pytest

from tests.core.frameworks.subprocess_support import run_alone

# Each imports the framework in a process of its own.
pytestmark = pytest.mark.timeout(90)


def test_the_package_and_its_plugin_import_no_framework(tmp_path):
    (found,) = run_alone(
        """
        import civitas_langgraph, civitas_langgraph.plugin
        assert civitas_langgraph.plugin.civitas_wrap(object(), "x", {}) is None
        print([name for name in sys.modules if name.split(".")[0] in ("langgraph", "langchain_core")])
        """,
        tmp_path,
    )
    assert found == "[]"


def test_the_adapter_is_found_by_name(tmp_path):
    lines = run_alone(
        """
        import civitas_langgraph
        print(civitas_langgraph.LangGraphAgent.__name__, *civitas_langgraph.__all__)
        try:
            civitas_langgraph.LangGrahpAgent
        except AttributeError as error:
            print(error)
        """,
        tmp_path,
    )
    assert lines == [
        (
            "LangGraphAgent ChatModel GraphStore LangGraphAgent StateStoreSaver "
            "agent_node agent_tool runtime_tools"
        ),
        "module 'civitas_langgraph' has no attribute 'LangGrahpAgent'",
    ]


def test_a_run_reaches_for_nobody_outside(tmp_path):
    lines = run_alone(
        """
        import asyncio, signal
        before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        from langgraph.graph import START, MessagesState, StateGraph
        from civitas.runtime import Runtime
        from civitas.supervision import Supervisor
        from civitas.frameworks import wrap

        graph = StateGraph(MessagesState).add_node("n", lambda s: {}).add_edge(START, "n").compile()

        async def main():
            async with Runtime(Supervisor("root", children=[wrap(graph, name="g")])) as runtime:
                await runtime.ask("g", {"input": "hi"})

        asyncio.run(main())
        print(outside)
        print(before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)])
        """,
        tmp_path,
    )
    assert lines == ["[]", "True"]
