"""langgraph-supervisor: a research expert and a math expert."""

from langchain_openai import ChatOpenAI
from langgraph.prebuilt import create_react_agent
from langgraph_supervisor import create_supervisor

model = ChatOpenAI(model="gpt-4o")


def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


def web_search(query: str) -> str:
    """Search the web."""
    return "FAANG headcounts in 2024: Apple 164000, Amazon 1551000."


math_agent = create_react_agent(
    model, [add], name="math_expert", prompt="You are a math expert. Use one tool at a time."
)
research_agent = create_react_agent(
    model, [web_search], name="research_expert", prompt="You are a researcher. Do no math."
)
graph = create_supervisor(
    [research_agent, math_agent],
    model=model,
    prompt="You manage a research expert and a math expert.",
).compile()
