"""Refunds, as a plain LangGraph graph: a small one is paid at once, a large one when a person has agreed."""

from typing import TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import interrupt

from civitas.frameworks import idempotency_key

LIMIT = 50
paid: dict[str, str] = {}
"""Stands for the bank, which knows an idempotency key when it sees one again."""


class Refund(TypedDict, total=False):
    order: str
    amount: float
    answer: str | bool
    outcome: str


def ask(state: Refund) -> Refund:
    # The run ends here, for hours or days. Whoever answers, on the page or elsewhere, starts it again.
    return {"answer": interrupt(f"Refund {state['amount']} EUR to order {state['order']}?")}


def pay(state: Refund) -> Refund:
    paid.setdefault(idempotency_key(), state["order"])
    return {"outcome": f"{state['amount']} EUR are on their way"}


def decline(state: Refund) -> Refund:
    answer = state["answer"]
    return {"outcome": f"declined: {answer}" if isinstance(answer, str) else "declined"}


def is_small(state: Refund) -> str:
    return "pay" if state["amount"] <= LIMIT else "ask"


def is_granted(state: Refund) -> str:
    return "pay" if state["answer"] is True else "decline"


builder = StateGraph(Refund)
builder.add_node("ask", ask)
builder.add_node("pay", pay)
builder.add_node("decline", decline)
builder.add_conditional_edges(START, is_small, ["pay", "ask"])
builder.add_conditional_edges("ask", is_granted, ["pay", "decline"])
builder.add_edge("pay", END)
builder.add_edge("decline", END)
graph = builder.compile()
