"""Marketing strategy: a @CrewBase class with YAML files and a structured strategy."""

from crewai import Agent, Crew, Process, Task
from crewai.project import CrewBase, agent, crew, task
from pydantic import BaseModel, Field


class MarketStrategy(BaseModel):
    """A strategy."""

    name: str = Field(description="Its name")
    tactics: list[str] = Field(description="Its tactics")


@CrewBase
class MarketingPostsCrew:
    """The crew of marketing posts."""

    agents_config = "marketing_config/agents.yaml"
    tasks_config = "marketing_config/tasks.yaml"

    @agent
    def lead_market_analyst(self) -> Agent:
        return Agent(config=self.agents_config["lead_market_analyst"])

    @agent
    def creative_content_creator(self) -> Agent:
        return Agent(config=self.agents_config["creative_content_creator"])

    @task
    def research_task(self) -> Task:
        return Task(config=self.tasks_config["research_task"])

    @task
    def marketing_strategy_task(self) -> Task:
        return Task(
            config=self.tasks_config["marketing_strategy_task"], output_pydantic=MarketStrategy
        )

    @task
    def copy_creation_task(self) -> Task:
        return Task(
            config=self.tasks_config["copy_creation_task"], context=[self.marketing_strategy_task()]
        )

    @crew
    def crew(self) -> Crew:
        return Crew(agents=self.agents, tasks=self.tasks, process=Process.sequential)
