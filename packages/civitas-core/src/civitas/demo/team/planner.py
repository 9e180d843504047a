"""A LangGraph graph that breaks a task into research questions. It knows nothing of Civitas."""

import os
from typing import TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph


class Plan(TypedDict, total=False):
    task: str
    outline: str
    questions: list[str]


model = ChatOpenAI(model=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"), max_retries=1)


async def outline(plan: Plan) -> Plan:
    answer = await model.ainvoke(
        [
            (
                "system",
                "You plan research. Break the task into two short questions, one a line, no numbers.",
            ),
            ("user", plan["task"]),
        ]
    )
    return {"outline": answer.text}


async def pick_questions(plan: Plan) -> Plan:
    lines = [line.strip(" -*") for line in plan["outline"].splitlines()]
    return {"questions": [line for line in lines if line][:2]}


builder = StateGraph(Plan)
builder.add_node("outline", outline)
builder.add_node("pick_questions", pick_questions)
builder.add_edge(START, "outline")
builder.add_edge("outline", "pick_questions")
builder.add_edge("pick_questions", END)
graph = builder.compile()
