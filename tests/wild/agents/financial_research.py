"""Financial research: a writer with two analysts as tools, and a verifier at the end."""

from agents import Agent, RunResult
from pydantic import BaseModel


class AnalysisSummary(BaseModel):
    summary: str


class FinancialReportData(BaseModel):
    short_summary: str
    markdown_report: str


async def summary_of(result: RunResult) -> str:
    return str(result.final_output.summary)


financials = Agent(
    name="FundamentalsAnalystAgent",
    instructions="You analyse revenue and profit.",
    output_type=AnalysisSummary,
)
risks = Agent(
    name="RiskAnalystAgent", instructions="You look for risks.", output_type=AnalysisSummary
)
verifier = Agent(name="VerificationAgent", instructions="You check a report for gaps.")
agent = Agent(
    name="FinancialWriterAgent",
    instructions="You are a senior financial analyst. Ask the analysts, write, and have it verified.",
    model="gpt-4.1",
    tools=[
        financials.as_tool("fundamentals_analysis", "Metrics", custom_output_extractor=summary_of),
        risks.as_tool("risk_analysis", "Red flags", custom_output_extractor=summary_of),
        verifier.as_tool("verify", "Check the report"),
    ],
    output_type=FinancialReportData,
)
