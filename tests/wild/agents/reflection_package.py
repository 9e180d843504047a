"""langgraph-reflection: a writer, and a judge that sends it back."""

from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph
from langgraph_reflection import create_reflection_graph

model = ChatOpenAI(model="gpt-4o-mini")


async def write(state: MessagesState):
    return {"messages": [await model.ainvoke(state["messages"])]}


async def judge(state: MessagesState):
    verdict = await model.ainvoke(
        [
            ("system", "Say OK, or what is wrong with the text."),
            ("user", state["messages"][-1].text),
        ]
    )
    if verdict.text.startswith("OK"):
        return {}
    return {"messages": [{"role": "user", "content": verdict.text}]}


def single(node):
    builder = StateGraph(MessagesState)
    builder.add_node(node)
    builder.add_edge(START, node.__name__)
    builder.add_edge(node.__name__, END)
    return builder.compile()


class State(MessagesState):
    pass


graph = create_reflection_graph(single(write), single(judge), State).compile()
