"""SDK agents that call other agents, and hand over to them."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any, ClassVar

import pytest
from agents import Agent, RunHooks, Runner, function_tool
from pydantic import BaseModel

from civitas.demo.model_server import ToolCall
from civitas.errors import ConfigurationError, HandlerFailed
from civitas.message import Message
from civitas.process import AgentProcess
from civitas_openai import OpenAIAgent, agent_tool, handoff_to
from tests.core.frameworks.support import restarts, running


class Echo(AgentProcess):
    """Notes what it is asked, and says the last of it."""

    heard: ClassVar[list[Any]] = []

    async def handle(self, message: Message) -> Message:
        self.heard.append(message.payload)
        if self.name == "failing":
            raise KeyError("broken")
        said = message.payload
        if "input" in said:
            said = said["input"]
        return self.reply({"said": said[-1]["content"] if isinstance(said, list) else said})


@pytest.fixture(autouse=True)
def heard() -> list[Any]:
    Echo.heard.clear()
    return Echo.heard


def calling(scripted: Any, tool: Any, arguments: dict[str, Any]) -> OpenAIAgent:
    """An agent that calls the tool and says what it returned."""

    def script(body: dict[str, Any]) -> Any:
        last = body["messages"][-1]
        return last["content"] if last["role"] == "tool" else ToolCall(tool.name, arguments)

    return OpenAIAgent("o", agent=Agent(name="a", model=scripted(script), tools=[tool]))


def handing(scripted: Any, target: Any, **more: Any) -> OpenAIAgent:
    """An agent that looks something up, and hands over."""

    def script(body: dict[str, Any]) -> Any:
        if body["messages"][-1]["role"] == "tool":
            return ToolCall(body["tools"][-1]["function"]["name"])
        return ToolCall("look", {"q": "it"})

    @function_tool
    async def look(q: str) -> str:
        """Look it up."""
        return "found"

    agent = Agent(name="a", model=scripted(script), tools=[look], handoffs=[target])
    return OpenAIAgent("o", agent=agent, **more)


class Question(BaseModel):
    text: str
    limit: int = 3


@pytest.mark.promise(id="SEM-975")
async def test_a_tool_asks_the_agent_and_the_model_reads_its_answer_as_json(scripted, heard):
    tool = agent_tool("echo", description="Says it again.")
    async with running(calling(scripted, tool, {"input": "hi"}), Echo("echo")) as runtime:
        reply = await runtime.ask("o", {"input": "go"})
    assert reply.payload == {"output": '{"said": "hi"}'}
    assert heard == [{"input": "hi"}]


async def test_a_pydantic_model_is_the_tools_schema_and_fills_in_the_payload(scripted, heard):
    tool = agent_tool("echo", description="Says it again.", parameters=Question)
    assert tool.params_json_schema["required"] == ["text"]
    async with running(calling(scripted, tool, {"text": "hi"}), Echo("echo")) as runtime:
        await runtime.ask("o", {"input": "go"})
    assert heard == [{"text": "hi", "limit": 3}]


async def test_arguments_that_do_not_fit_are_told_to_the_model(scripted, heard):
    tool = agent_tool("echo", description="Says it again.", parameters=Question)
    async with running(calling(scripted, tool, {"limit": "x"}), Echo("echo")) as runtime:
        reply = await runtime.ask("o", {"input": "go"})
    assert "the arguments do not fit" in reply.payload["output"]
    assert heard == []


async def test_a_json_schema_is_the_tools_schema_as_it_is(scripted):
    schema = {"type": "object", "properties": {"x": {"type": "number"}}}
    tool = agent_tool("echo", description="Says it again.", parameters=schema)
    assert tool.params_json_schema == schema


def test_a_name_that_no_tool_may_have_is_written_otherwise():
    assert agent_tool("team.echo", description="Says it.").name == "team_echo"
    assert handoff_to("team.echo").tool_name == "transfer_to_team_echo"


async def test_a_called_agent_that_fails_is_a_text_for_the_model(scripted):
    tool = agent_tool("failing", description="Fails.")
    async with running(calling(scripted, tool, {"input": "hi"}), Echo("failing")) as runtime:
        reply = await runtime.ask("o", {"input": "go"})
        assert restarts(runtime) == 0
    assert "KeyError" in reply.payload["output"]


async def test_a_tool_outside_of_an_agent_is_an_error_that_says_so(scripted):
    tool = agent_tool("echo", description="Says it again.")
    with pytest.raises(ConfigurationError, match="outside one"):
        await tool.on_invoke_tool(None, '{"input": "hi"}')  # type: ignore[arg-type]


async def test_a_handoff_takes_the_history_along_and_the_answer_is_the_output(scripted, heard):
    async with running(handing(scripted, handoff_to("echo")), Echo("echo")) as runtime:
        reply = await runtime.ask("o", {"input": "hi"})
    assert heard == [
        {
            "input": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": 'look({"q": "it"}) returned: found'},
            ]
        }
    ]
    assert reply.payload == {"output": {"said": heard[0]["input"][-1]["content"]}}


async def test_a_handoff_to_an_sdk_agent_ends_in_what_that_says(scripted):
    def expert(body: dict[str, Any]) -> str:
        return f"heard {len(body['messages'])}"

    target = OpenAIAgent("expert", agent=Agent(name="e", model=scripted(expert)))
    async with running(handing(scripted, handoff_to("expert")), target) as runtime:
        assert (await runtime.ask("o", {"input": "hi"})).payload == {"output": "heard 2"}


async def test_a_handoff_to_a_graph_is_a_conversation_with_its_model(scripted):
    from langchain_core.messages import AIMessage
    from langgraph.graph import END, START, MessagesState, StateGraph

    from civitas_langgraph import LangGraphAgent

    def node(state: MessagesState) -> Any:
        kinds = [each.type for each in state["messages"]]
        return {"messages": [AIMessage(f"heard {' '.join(kinds)}")]}

    builder = StateGraph(MessagesState)
    builder.add_node("say", node)
    builder.add_edge(START, "say")
    builder.add_edge("say", END)
    target = LangGraphAgent("graph", graph=builder.compile())
    async with running(handing(scripted, handoff_to("graph")), target) as runtime:
        reply = await runtime.ask("o", {"input": "hi"})
    assert reply.payload == {"output": "heard human ai"}


async def test_a_handoffs_input_filter_says_what_goes_along(scripted, heard):
    target = handoff_to("echo")
    target.input_filter = lambda data: data.clone(pre_handoff_items=(), new_items=())
    async with running(handing(scripted, target), Echo("echo")) as runtime:
        await runtime.ask("o", {"input": "hi"})
    assert heard == [{"input": [{"role": "user", "content": "hi"}]}]


async def test_a_target_that_remembers_the_conversation_hears_nothing_twice(scripted):
    lengths: list[int] = []

    def expert(body: dict[str, Any]) -> str:
        lengths.append(len(body["messages"]))
        return "answer"

    def script(body: dict[str, Any]) -> Any:
        return ToolCall("transfer_to_expert")

    target = OpenAIAgent("expert", agent=Agent(name="e", model=scripted(expert)))
    agent = Agent(name="a", model=scripted(script), handoffs=[handoff_to("expert")])
    async with running(OpenAIAgent("o", agent=agent), target) as runtime:
        await runtime.ask("o", {"input": "one"}, conversation="c")
        await runtime.ask("o", {"input": "two"}, conversation="c")
        await runtime.ask("expert", {"input": "three"}, conversation="c")
    assert lengths == [1, 3, 5]


async def test_the_answer_of_a_handoff_is_part_of_the_conversation(scripted):
    heard: list[Any] = []

    def script(body: dict[str, Any]) -> Any:
        heard.append([each.get("content") for each in body["messages"]])
        return ToolCall("transfer_to_echo") if len(heard) == 1 else "done"

    agent = Agent(name="a", model=scripted(script), handoffs=[handoff_to("echo")])
    async with running(OpenAIAgent("o", agent=agent), Echo("echo")) as runtime:
        await runtime.ask("o", {"input": "hi"}, conversation="c")
        await runtime.ask("o", {"input": "thanks"}, conversation="c")
    assert heard[-1][-2:] == ['{"said": "hi"}', "thanks"]


async def test_a_target_that_fails_fails_the_run_and_both_are_named(scripted):
    async with running(handing(scripted, handoff_to("failing")), Echo("failing")) as runtime:
        with pytest.raises(HandlerFailed, match="'failing' failed: KeyError") as failed:
            await runtime.ask("o", {"input": "hi"})
        assert failed.value.agent == "o"
        assert restarts(runtime) == 0


async def test_a_target_that_waits_for_a_human_says_where_to_answer(scripted):
    @function_tool(needs_approval=True)
    async def delete() -> str:
        """Delete it."""
        return "deleted"

    expert = Agent(name="e", model=scripted([ToolCall("delete"), "done"]), tools=[delete])
    target = OpenAIAgent("expert", agent=expert)
    async with running(handing(scripted, handoff_to("expert")), target) as runtime:
        with pytest.raises(HandlerFailed, match="waits for a human, in conversation 'c'"):
            await runtime.ask("o", {"input": "hi"}, conversation="c")
        reply = await runtime.ask("expert", {"value": True}, "resume", conversation="c")
    assert reply.payload == {"output": "done"}


async def test_a_handoff_is_one_to_the_sdks_hooks(scripted):
    told: list[str] = []

    class Hooks(RunHooks[Any]):
        async def on_handoff(self, context: Any, from_agent: Any, to_agent: Any) -> None:
            told.append(f"{from_agent.name} to {to_agent.name}")

    class Asks(AgentProcess):
        async def handle(self, message: Message) -> Message:
            model = scripted([ToolCall("transfer_to_echo")])
            agent = Agent(name="a", model=model, handoffs=[handoff_to("echo")])
            result = await Runner.run(agent, "hi", hooks=Hooks())
            return self.reply(result.final_output)

    async with running(Asks("asks"), Echo("echo")) as runtime:
        reply = await runtime.ask("asks", {})
    assert (told, reply.payload) == (["a to echo"], '{"said": "hi"}')


async def test_a_stream_goes_on_with_what_the_target_says(scripted):
    expert = Agent(name="e", model=scripted(lambda body: "one two three"))
    target = OpenAIAgent("expert", agent=expert)
    async with (
        running(handing(scripted, handoff_to("expert")), target) as runtime,
        aclosing(runtime.stream("o", {"input": "hi"})) as stream,
    ):
        heard = [(each.type, each.payload) async for each in stream]
    tokens = [each["text"] for kind, each in heard if kind == "token"]
    assert len(tokens) > 1
    assert "".join(tokens) == "one two three"
    assert [each for each in heard if each[0] == "step"] == [
        ("step", {"name": "a"}),
        ("step", {"name": "expert"}),
    ]
    assert heard[-1] == ("reply", {"output": "one two three"})


async def test_an_answer_that_is_no_text_arrives_as_it_was_sent_in_a_stream_too(scripted):
    async with (
        running(handing(scripted, handoff_to("echo")), Echo("echo")) as runtime,
        aclosing(runtime.stream("o", {"input": "hi"})) as stream,
    ):
        heard = [each.payload async for each in stream]
    assert heard[-1] == {"output": {"said": Echo.heard[0]["input"][-1]["content"]}}
