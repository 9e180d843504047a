"""Stock analysis: financials and filings beside each other, then a recommendation."""

from crewai import Agent, Crew, Task
from crewai.tools import BaseTool
from pydantic import BaseModel, Field


class CalculationInput(BaseModel):
    expression: str = Field(description="An expression, such as 2*3")


class CalculatorTool(BaseTool):
    name: str = "calculator"
    description: str = "Multiply two numbers."
    args_schema: type[BaseModel] = CalculationInput

    def _run(self, expression: str) -> str:
        left, right = expression.split("*")
        return str(int(left) * int(right))


def agent(role: str, tools: list) -> Agent:
    return Agent(
        role=role, goal="Impress customers", backstory="Seasoned.", llm="gpt-4o", tools=tools
    )


def make_crew() -> Crew:
    analyst = agent("Financial Analyst", [CalculatorTool()])
    researcher = agent("Research Analyst", [])
    adviser = agent("Investment Adviser", [])
    financial = Task(
        name="financial",
        description="Analyse the financials of {company_stock}.",
        expected_output="A report",
        agent=analyst,
        async_execution=True,
    )
    filings = Task(
        name="filings",
        description="Read the filings of {company_stock}.",
        expected_output="A report",
        agent=researcher,
        async_execution=True,
    )
    recommend = Task(
        name="recommend",
        description="Recommend what to do with {company_stock}.",
        expected_output="A recommendation",
        agent=adviser,
        context=[financial, filings],
    )
    return Crew(agents=[analyst, researcher, adviser], tasks=[financial, filings, recommend])
