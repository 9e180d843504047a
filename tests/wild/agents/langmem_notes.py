"""langmem: an agent with tools over a memory that all of its conversations share."""

from langchain.agents import create_agent
from langmem import create_manage_memory_tool, create_search_memory_tool

graph = create_agent(
    "openai:gpt-4o-mini",
    tools=[
        create_manage_memory_tool(namespace=("memories",)),
        create_search_memory_tool(namespace=("memories",)),
    ],
    system_prompt="You are an assistant with a memory.",
)
