"""Hierarchical teams: a head over a research team and a writing team, each a graph with a supervisor."""

from typing import Literal

from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import create_react_agent
from langgraph.types import Command
from pydantic import BaseModel

model = ChatOpenAI(model="gpt-4o")


class State(MessagesState):
    next: str


class Router(BaseModel):
    """Who works next; FINISH when all is done."""

    next: str


@tool
def web(query: str) -> str:
    """Search the web."""
    return "Agents plan, act and remember."


@tool
def write_document(content: str) -> str:
    """Write a document."""
    return f"wrote {len(content)} letters"


def supervisor(members: list[str], duty: str):
    router = model.with_structured_output(Router, method="function_calling")

    async def supervisor_node(state: State) -> Command:
        prompt = [("system", f"{duty} Workers: {members}."), *state["messages"]]
        goto = (await router.ainvoke(prompt)).next
        return Command(goto="__end__" if goto == "FINISH" else goto, update={"next": goto})

    return supervisor_node


def worker(name: str, tools: list):
    agent = create_react_agent(model, tools, prompt=f"You are {name}.")

    async def node(state: State) -> Command[Literal["supervisor"]]:
        result = await agent.ainvoke({"messages": state["messages"]})
        said = HumanMessage(content=result["messages"][-1].content, name=name)
        return Command(update={"messages": [said]}, goto="supervisor")

    return node


def team(members: dict[str, list], duty: str):
    builder = StateGraph(State)
    names = list(members)
    builder.add_node("supervisor", supervisor(names, duty), destinations=(*names, "__end__"))
    for name, tools in members.items():
        builder.add_node(name, worker(name, tools))
    builder.add_edge(START, "supervisor")
    return builder.compile()


research = team({"searcher": [web]}, "You lead a research team.")
writing = team({"author": [write_document]}, "You lead a writing team.")


def call(name: str, graph):
    async def node(state: State) -> Command[Literal["supervisor"]]:
        result = await graph.ainvoke({"messages": state["messages"][-1:]})
        said = HumanMessage(content=result["messages"][-1].content, name=name)
        return Command(update={"messages": [said]}, goto="supervisor")

    return node


builder = StateGraph(State)
teams = ("research_team", "writing_team")
builder.add_node(
    "supervisor",
    supervisor(list(teams), "You head two teams."),
    destinations=(*teams, "__end__"),
)
builder.add_node("research_team", call("research_team", research))
builder.add_node("writing_team", call("writing_team", writing))
builder.add_edge(START, "supervisor")
graph = builder.compile()
