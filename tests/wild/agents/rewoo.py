"""ReWOO: a whole plan with placeholders first, then the tools, then one answer."""

import re
from typing import TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph

model = ChatOpenAI(model="gpt-4o")
STEP = re.compile(r"Plan:\s*(.+?)\s*(#E\d+)\s*=\s*(\w+)\s*\[([^\]]+)\]")


class ReWOO(TypedDict):
    task: str
    plan_string: str
    steps: list
    results: dict
    result: str


async def get_plan(state: ReWOO):
    plan = await model.ainvoke(f"Make a plan with Google and LLM for: {state['task']}")
    return {"steps": STEP.findall(plan.content), "plan_string": plan.content}


async def tool_execution(state: ReWOO):
    results = dict(state.get("results") or {})
    _, name, tool, argument = state["steps"][len(results)]
    for key, value in results.items():
        argument = argument.replace(key, value)
    found = f"search results on {argument}"
    if tool == "LLM":
        found = (await model.ainvoke(argument)).content
    return {"results": {**results, name: found}}


async def solve(state: ReWOO):
    evidence = "\n".join(f"{key} = {value}" for key, value in state["results"].items())
    answer = await model.ainvoke(f"Solve {state['task']!r} with:\n{evidence}")
    return {"result": answer.content}


def route(state: ReWOO):
    return "solve" if len(state["results"]) == len(state["steps"]) else "tool"


builder = StateGraph(ReWOO)
builder.add_node("plan", get_plan)
builder.add_node("tool", tool_execution)
builder.add_node("solve", solve)
builder.add_edge(START, "plan")
builder.add_edge("plan", "tool")
builder.add_conditional_edges("tool", route, ["solve", "tool"])
builder.add_edge("solve", END)
graph = builder.compile()
