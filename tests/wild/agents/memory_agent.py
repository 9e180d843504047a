"""A memory agent: what it learns of a user is kept in the store, over conversations."""

from dataclasses import dataclass
from typing import Annotated, TypedDict

from langchain_core.messages import AnyMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.runtime import Runtime


@dataclass(kw_only=True)
class Context:
    user_id: str = "default"


class State(TypedDict):
    messages: Annotated[list[AnyMessage], add_messages]


@tool
def upsert_memory(content: str, context: str) -> str:
    """Keep a memory."""
    return content


async def call_model(state: State, runtime: Runtime[Context]):
    items = await runtime.store.asearch(("memories", runtime.context.user_id), limit=10)
    known = "\n".join(f"[{item.key}]: {item.value['content']}" for item in items)
    system = f"You are a helpful and friendly chatbot.\nMemories:\n{known}"
    model = ChatOpenAI(model="gpt-4o-mini").bind_tools([upsert_memory])
    return {"messages": [await model.ainvoke([("system", system), *state["messages"]])]}


async def store_memory(state: State, runtime: Runtime[Context]):
    results = []
    for call in state["messages"][-1].tool_calls:
        key = call["args"]["content"][:12]
        await runtime.store.aput(("memories", runtime.context.user_id), key, call["args"])
        results.append({"role": "tool", "content": f"kept {key}", "tool_call_id": call["id"]})
    return {"messages": results}


def route_message(state: State):
    return "store_memory" if state["messages"][-1].tool_calls else END


builder = StateGraph(State, context_schema=Context)
builder.add_node(call_model)
builder.add_node(store_memory)
builder.add_edge(START, "call_model")
builder.add_conditional_edges("call_model", route_message, ["store_memory", END])
builder.add_edge("store_memory", "call_model")
graph = builder.compile(name="MemoryAgent")
