"""A create_agent agent with a structured response and a dynamic prompt."""

from dataclasses import dataclass

from langchain.agents import create_agent
from langchain.agents.middleware import ModelRequest, dynamic_prompt
from langchain.agents.structured_output import ToolStrategy
from langchain_core.tools import tool
from pydantic import BaseModel


class Contact(BaseModel):
    """A person to reach."""

    name: str
    email: str


@dataclass
class Reader:
    language: str = "English"


@tool
def directory(name: str) -> str:
    """Look a person up."""
    return f"{name}: ada@example.org"


@dynamic_prompt
def prompt(request: ModelRequest) -> str:
    count = len(request.messages)
    return f"Extract contacts, in {request.runtime.context.language}. There are {count} messages."


graph = create_agent(
    "openai:gpt-4o-mini",
    [directory],
    middleware=[prompt],
    context_schema=Reader,
    response_format=ToolStrategy(Contact),
)
