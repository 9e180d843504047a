"""A research bot: plans searches, runs them beside each other, writes a report."""

from agents import Agent, ModelSettings, function_tool
from pydantic import BaseModel


class WebSearchItem(BaseModel):
    reason: str
    query: str


class WebSearchPlan(BaseModel):
    searches: list[WebSearchItem]


class ReportData(BaseModel):
    short_summary: str
    markdown_report: str
    follow_up_questions: list[str]


@function_tool
async def web_search(query: str) -> str:
    """Search the web."""
    return f"results on {query}"


planner = Agent(
    name="PlannerAgent",
    instructions="Come up with web searches for a query.",
    model="gpt-4o",
    output_type=WebSearchPlan,
)
searcher = Agent(
    name="Search agent",
    instructions="Search the web for the term, and sum up what you find.",
    tools=[web_search],
    model_settings=ModelSettings(tool_choice="required"),
)
agent = Agent(
    name="WriterAgent",
    instructions="Plan the searches, run them all, and write a report.",
    model="gpt-4o",
    tools=[
        planner.as_tool("plan_searches", "Plan the searches."),
        searcher.as_tool("search", "Run one search."),
    ],
    output_type=ReportData,
)
