"""Reflection: an essay is written, criticised, and written again."""

from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.prompts import ChatPromptTemplate, MessagesPlaceholder
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph

model = ChatOpenAI(model="gpt-4o-mini")
generate = (
    ChatPromptTemplate.from_messages(
        [("system", "You write essays of five paragraphs."), MessagesPlaceholder("messages")]
    )
    | model
)
reflect = (
    ChatPromptTemplate.from_messages(
        [("system", "You are a teacher who grades an essay."), MessagesPlaceholder("messages")]
    )
    | model
)


async def generation_node(state: MessagesState):
    return {"messages": [await generate.ainvoke({"messages": state["messages"]})]}


async def reflection_node(state: MessagesState):
    swapped = {"ai": HumanMessage, "human": AIMessage}
    first, *others = state["messages"]
    turned = [first, *(swapped[each.type](content=each.content) for each in others)]
    grade = await reflect.ainvoke({"messages": turned})
    return {"messages": [HumanMessage(content=grade.content)]}


def should_continue(state: MessagesState):
    last = max(at for at, each in enumerate(state["messages"]) if each.type == "human")
    return END if "well done" in state["messages"][last].content.lower() else "reflect"


builder = StateGraph(MessagesState)
builder.add_node("generate", generation_node)
builder.add_node("reflect", reflection_node)
builder.add_edge(START, "generate")
builder.add_conditional_edges("generate", should_continue, ["reflect", END])
builder.add_edge("reflect", "generate")
graph = builder.compile()
