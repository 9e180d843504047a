"""Trip planner: a city is chosen, then known, then an itinerary made."""

from crewai import Agent, Crew, Task
from crewai.tools import tool


@tool("search_internet")
def search_internet(query: str) -> str:
    """Search the internet."""
    return f"Bergen is mild in May ({query})."


def make_crew() -> Crew:
    selector = Agent(
        role="City Selection Expert",
        goal="Select the best city for weather, season and prices",
        backstory="You analyse travel data.",
        llm="gpt-4o-mini",
        tools=[search_internet],
    )
    concierge = Agent(
        role="Travel Concierge",
        goal="Create travel itineraries",
        backstory="You know travel.",
        llm="gpt-4o-mini",
    )
    identify = Task(
        name="identify",
        description="Choose a city among {cities} for a trip from {origin}.",
        expected_output="A city",
        agent=selector,
    )
    plan = Task(
        name="plan",
        description="Make an itinerary for {interests}.",
        expected_output="An itinerary",
        agent=concierge,
        context=[identify],
    )
    return Crew(agents=[selector, concierge], tasks=[identify, plan])
