"""A librarian: a plain LangChain agent with a tool."""

import os

from langchain.agents import create_agent
from langchain_openai import ChatOpenAI

BOOKS = {
    "otters": "Ring of Bright Water",
    "storms": "Isaac's Storm",
    "switches": "Making Reliable Systems",
}


def find_book(topic: str) -> str:
    """Find a book about a topic.

    Args:
        topic: One word.
    """
    return BOOKS.get(topic.lower(), "there is none")


graph = create_agent(
    ChatOpenAI(
        model=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"),
        max_retries=0,  # the topology says how often
        stream_usage=True,  # so that budgets see what a stream used
    ),
    [find_book],
    system_prompt="Recommend one book in one sentence. Look it up; never guess.",
)
