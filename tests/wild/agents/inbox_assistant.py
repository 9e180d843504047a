"""An ambient mail assistant: triage, a draft, and a human who may accept, edit, or answer it."""

from typing import Literal, TypedDict

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph.types import Command, interrupt
from pydantic import BaseModel

model = ChatOpenAI(model="gpt-4o")


class Triage(BaseModel):
    """What to do with a mail."""

    response: Literal["ignore", "notify", "email"]
    reason: str


class Email(TypedDict):
    author: str
    subject: str
    body: str


class State(MessagesState):
    email: Email
    triage: Triage


async def triage_input(state: State) -> Command[Literal["draft", "__end__"]]:
    bound = model.with_structured_output(Triage, method="function_calling")
    triage = await bound.ainvoke(f"Triage this mail: {state['email']}")
    goto = "draft" if triage.response == "email" else END
    return Command(update={"triage": triage}, goto=goto)


async def draft(state: State):
    email = state["email"]
    system = ("system", f"Answer {email['author']} on {email['subject']}.")
    return {
        "messages": [await model.ainvoke([system, ("user", email["body"]), *state["messages"]])]
    }


async def human(state: State) -> Command[Literal["draft", "send"]]:
    answer = interrupt(
        {"action_request": {"action": "send", "args": {"text": state["messages"][-1].content}}}
    )
    if answer["type"] == "response":
        return Command(update={"messages": [("user", answer["args"])]}, goto="draft")
    return Command(goto="send")


async def send(state: State):
    return {"messages": [("ai", f"SENT: {state['messages'][-1].content}")]}


builder = StateGraph(State)
builder.add_node(triage_input)
builder.add_node(draft)
builder.add_node(human)
builder.add_node(send)
builder.add_edge(START, "triage_input")
builder.add_edge("draft", "human")
builder.add_edge("send", END)
graph = builder.compile()
