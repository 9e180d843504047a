"""A cook: a deep agent, with memories of each user that outlive conversations and programs."""

import os
from dataclasses import dataclass

from deepagents import create_deep_agent
from deepagents.backends import CompositeBackend, StateBackend, StoreBackend
from langchain_openai import ChatOpenAI
from langgraph.runtime import Runtime

from civitas import Message


@dataclass
class User:
    """Who is talking."""

    name: str


def user(message: Message) -> User:
    return User(message.headers.get("user", "guest"))


def memories(runtime: Runtime[User]) -> tuple[str, ...]:
    return "memories", runtime.context.name


graph = create_deep_agent(
    ChatOpenAI(
        model=os.environ.get("OPENAI_MODEL", "gpt-4o-mini"),
        max_retries=0,  # the topology says how often
        stream_usage=True,  # so that budgets see what a stream used
    ),
    system_prompt="You propose dinners. Keep in /memories/notes.md what you learn about the user.",
    # Other files are those of the conversation. These are in the Store, which is Civitas's state store.
    backend=CompositeBackend(StateBackend(), {"/memories/": StoreBackend(namespace=memories)}),
    memory=["/memories/notes.md"],  # read before each answer
    context_schema=User,
)
