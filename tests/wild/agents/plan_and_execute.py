"""Plan-and-execute: a planner, an executor for each step, and a replanner."""

import operator
from typing import Annotated, TypedDict

from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.prebuilt import create_react_agent
from pydantic import BaseModel, Field

model = ChatOpenAI(model="gpt-4o", temperature=0)


@tool
async def search(query: str) -> str:
    """Search the web."""
    return f"{query}: Jannik Sinner, from San Candido"


class PlanExecute(TypedDict):
    input: str
    plan: list[str]
    past_steps: Annotated[list[tuple[str, str]], operator.add]
    response: str


class Plan(BaseModel):
    """Steps to follow, in order."""

    steps: list[str] = Field(description="what to do")


class Verdict(BaseModel):
    """Either the answer, or the steps that are left."""

    answer: str | None = None
    steps: list[str] = []


planner = model.with_structured_output(Plan, method="function_calling")
replanner = model.with_structured_output(Verdict, method="function_calling")
executor = create_react_agent(model, [search], prompt="You carry out one step.")


async def plan_step(state: PlanExecute):
    plan = await planner.ainvoke([("system", "Make a plan."), ("user", state["input"])])
    return {"plan": plan.steps}


async def execute_step(state: PlanExecute):
    task = state["plan"][0]
    result = await executor.ainvoke({"messages": [("user", f"Do this step: {task}")]})
    return {"past_steps": [(task, result["messages"][-1].content)]}


async def replan_step(state: PlanExecute):
    done = "\n".join(f"{task}: {result}" for task, result in state["past_steps"])
    verdict = await replanner.ainvoke(
        [("system", "Answer, or plan on."), ("user", f"{state['input']}\n\nDone so far:\n{done}")]
    )
    if verdict.answer:
        return {"response": verdict.answer}
    return {"plan": verdict.steps}


def should_end(state: PlanExecute):
    return END if state.get("response") else "agent"


builder = StateGraph(PlanExecute)
builder.add_node("planner", plan_step)
builder.add_node("agent", execute_step)
builder.add_node("replan", replan_step)
builder.add_edge(START, "planner")
builder.add_edge("planner", "agent")
builder.add_edge("agent", "replan")
builder.add_conditional_edges("replan", should_end, ["agent", END])
graph = builder.compile()
