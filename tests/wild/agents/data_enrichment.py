"""Data enrichment: searches until it can fill a schema, and judges what it filled in."""

import operator
from dataclasses import dataclass, field
from typing import Annotated, Any

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from langgraph.graph import START, StateGraph, add_messages
from langgraph.prebuilt import ToolNode
from pydantic import BaseModel, Field


@dataclass(kw_only=True)
class InputState:
    topic: str
    extraction_schema: dict[str, Any]
    info: dict[str, Any] | None = None


@dataclass(kw_only=True)
class State(InputState):
    messages: Annotated[list[BaseMessage], add_messages] = field(default_factory=list)
    loop_step: Annotated[int, operator.add] = 0


@dataclass(kw_only=True)
class OutputState:
    info: dict[str, Any]


class InfoIsSatisfactory(BaseModel):
    """Whether the info is good enough."""

    reason: list[str]
    is_satisfactory: bool
    improvement_instructions: str | None = Field(default=None)


async def search(query: str) -> list[dict[str, str]]:
    """Search the web."""
    return [{"url": "https://example.org", "text": f"{query}: founded in 1998"}]


async def call_agent_model(state: State):
    info_tool = {"name": "Info", "description": "Submit it", "parameters": state.extraction_schema}
    model = ChatOpenAI(model="gpt-4o").bind_tools([search, info_tool], tool_choice="any")
    messages = [HumanMessage(f"Research {state.topic}."), *state.messages]
    response: AIMessage = await model.ainvoke(messages)
    info = next((c["args"] for c in response.tool_calls if c["name"] == "Info"), None)
    if info is not None:
        response.tool_calls = [c for c in response.tool_calls if c["name"] == "Info"]
    return {"messages": [response], "info": info, "loop_step": 1}


async def reflect(state: State):
    last = state.messages[-1]
    checker = ChatOpenAI(model="gpt-4o").with_structured_output(
        InfoIsSatisfactory, method="function_calling"
    )
    verdict = await checker.ainvoke(f"Is this good enough for {state.topic}? {state.info}")
    call_id = last.tool_calls[0]["id"]
    if verdict.is_satisfactory:
        text = "\n".join(verdict.reason)
        return {
            "info": state.info,
            "messages": [
                ToolMessage(
                    text,
                    tool_call_id=call_id,
                    name="Info",
                    additional_kwargs={"artifact": verdict.model_dump()},
                    status="success",
                )
            ],
        }
    return {
        "messages": [
            ToolMessage(
                verdict.improvement_instructions or "Try again.",
                tool_call_id=call_id,
                name="Info",
                status="error",
            )
        ]
    }


def route_after_agent(state: State):
    last = state.messages[-1]
    if not isinstance(last, AIMessage):
        return "call_agent_model"
    return "reflect" if last.tool_calls[0]["name"] == "Info" else "tools"


def route_after_checker(state: State):
    if state.loop_step >= 6:
        return "__end__"
    return "call_agent_model" if state.messages[-1].status == "error" else "__end__"


builder = StateGraph(State, input_schema=InputState, output_schema=OutputState)
builder.add_node(call_agent_model)
builder.add_node(reflect)
builder.add_node("tools", ToolNode([search]))
builder.add_edge(START, "call_agent_model")
builder.add_conditional_edges(
    "call_agent_model", route_after_agent, ["reflect", "tools", "call_agent_model"]
)
builder.add_edge("tools", "call_agent_model")
builder.add_conditional_edges("reflect", route_after_checker, ["call_agent_model", "__end__"])
graph = builder.compile(name="ResearchTopic")
