from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from langgraph.prebuilt import create_react_agent


@tool
def get_weather(city: str) -> str:
    """Say what the weather is like in a city."""
    return f"It is always sunny in {city}."


graph = create_react_agent(
    ChatOpenAI(model="gpt-4o-mini"), [get_weather], prompt="You are a helpful assistant."
)
