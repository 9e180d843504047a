"""Adaptive RAG: a router in front, and graders behind the answer."""

from typing import Literal, TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, StateGraph
from pydantic import BaseModel

model = ChatOpenAI(model="gpt-4o-mini", temperature=0)


class RouteQuery(BaseModel):
    """Where to look."""

    datasource: Literal["vectorstore", "web_search"]


class Grade(BaseModel):
    """Yes or no."""

    binary_score: Literal["yes", "no"]


router = model.with_structured_output(RouteQuery, method="function_calling")
grader = model.with_structured_output(Grade, method="function_calling")


class State(TypedDict):
    question: str
    generation: str
    documents: list[str]


async def route_question(state: State):
    route = await router.ainvoke(f"Route this question: {state['question']}")
    return "web_search" if route.datasource == "web_search" else "retrieve"


async def retrieve(state: State):
    return {"documents": ["Agents keep short-term and long-term memory."]}


async def web_search(state: State):
    return {"documents": ["The web knows it."]}


async def generate(state: State):
    answer = await model.ainvoke(f"Answer {state['question']} with {state['documents']}")
    return {"generation": answer.content}


async def transform_query(state: State):
    better = await model.ainvoke(f"Ask this better: {state['question']}")
    return {"question": better.content}


async def grade_generation(state: State):
    facts = await grader.ainvoke(f"Is {state['generation']!r} grounded in {state['documents']}?")
    if facts.binary_score == "no":
        return "not supported"
    answers = await grader.ainvoke(f"Does {state['generation']!r} answer {state['question']!r}?")
    return "useful" if answers.binary_score == "yes" else "not useful"


builder = StateGraph(State)
builder.add_node("web_search", web_search)
builder.add_node("retrieve", retrieve)
builder.add_node("generate", generate)
builder.add_node("transform_query", transform_query)
builder.add_conditional_edges(START, route_question, ["web_search", "retrieve"])
builder.add_edge("web_search", "generate")
builder.add_edge("retrieve", "generate")
builder.add_edge("transform_query", "retrieve")
builder.add_conditional_edges(
    "generate",
    grade_generation,
    {"not supported": "generate", "useful": END, "not useful": "transform_query"},
)
graph = builder.compile()
