"""Sorts support tickets. A plain LangGraph graph."""

from typing import TypedDict

from langgraph.graph import END, START, StateGraph


class Ticket(TypedDict, total=False):
    """What the graph knows of a ticket."""

    text: str
    queue: str
    answer: str


QUEUES = {"invoice": "billing", "refund": "billing", "crash": "engineering", "slow": "engineering"}


def sort(state: Ticket) -> Ticket:
    words = state["text"].lower()
    return {"queue": next((queue for word, queue in QUEUES.items() if word in words), "general")}


def acknowledge(state: Ticket) -> Ticket:
    return {"answer": f"Thank you. Your message is with {state['queue']} now."}


builder = StateGraph(Ticket)
builder.add_node("sort", sort)
builder.add_node("acknowledge", acknowledge)
builder.add_edge(START, "sort")
builder.add_edge("sort", "acknowledge")
builder.add_edge("acknowledge", END)
graph = builder.compile()
