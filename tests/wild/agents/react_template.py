"""The ReAct template: a dataclass for a state, a managed value, a context with a prompt."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from langchain_core.messages import AIMessage, AnyMessage
from langchain_openai import ChatOpenAI
from langgraph.graph import START, StateGraph, add_messages
from langgraph.managed import IsLastStep
from langgraph.prebuilt import ToolNode
from langgraph.runtime import Runtime


@dataclass(kw_only=True)
class Context:
    system_prompt: str = "You are a helpful AI assistant."
    model: str = "gpt-4o-mini"


@dataclass
class InputState:
    messages: Annotated[Sequence[AnyMessage], add_messages] = field(default_factory=list)


@dataclass
class State(InputState):
    is_last_step: IsLastStep = field(default=False)


async def search(query: str) -> dict[str, str]:
    """Search the web."""
    return {"query": query, "result": "LangGraph is a library for agents."}


async def call_model(state: State, runtime: Runtime[Context]):
    model = ChatOpenAI(model=runtime.context.model).bind_tools([search])
    response = await model.ainvoke([("system", runtime.context.system_prompt), *state.messages])
    if state.is_last_step and response.tool_calls:
        return {"messages": [AIMessage(id=response.id, content="I found no answer in time.")]}
    return {"messages": [response]}


def route_model_output(state: State):
    return "tools" if state.messages[-1].tool_calls else "__end__"


builder = StateGraph(State, input_schema=InputState, context_schema=Context)
builder.add_node(call_model)
builder.add_node("tools", ToolNode([search]))
builder.add_edge(START, "call_model")
builder.add_conditional_edges("call_model", route_model_output, ["tools", "__end__"])
builder.add_edge("tools", "call_model")
graph = builder.compile(name="ReAct Agent")
