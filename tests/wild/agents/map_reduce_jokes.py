"""Map-reduce: a joke for each subject beside each other, and the best of them."""

import operator
from typing import Annotated, TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from pydantic import BaseModel

model = ChatOpenAI(model="gpt-4o-mini")


class Subjects(BaseModel):
    """Subjects to joke about."""

    subjects: list[str]


class BestJoke(BaseModel):
    """The index of the best joke, from 0."""

    id: int


class OverallState(TypedDict):
    topic: str
    subjects: list[str]
    jokes: Annotated[list[str], operator.add]
    best_selected_joke: str


class JokeState(TypedDict):
    subject: str


async def generate_topics(state: OverallState):
    bound = model.with_structured_output(Subjects, method="function_calling")
    return {"subjects": (await bound.ainvoke(f"List subjects of {state['topic']}")).subjects}


async def generate_joke(state: JokeState):
    joke = await model.ainvoke(f"Tell a joke about {state['subject']}")
    return {"jokes": [joke.content]}


def continue_to_jokes(state: OverallState):
    return [Send("generate_joke", {"subject": each}) for each in state["subjects"]]


async def best_joke(state: OverallState):
    bound = model.with_structured_output(BestJoke, method="function_calling")
    best = await bound.ainvoke(f"Which is the best?\n{state['jokes']}")
    return {"best_selected_joke": state["jokes"][best.id]}


builder = StateGraph(OverallState)
builder.add_node("generate_topics", generate_topics)
builder.add_node("generate_joke", generate_joke)
builder.add_node("best_joke", best_joke)
builder.add_edge(START, "generate_topics")
builder.add_conditional_edges("generate_topics", continue_to_jokes, ["generate_joke"])
builder.add_edge("generate_joke", "best_joke")
builder.add_edge("best_joke", END)
graph = builder.compile()
