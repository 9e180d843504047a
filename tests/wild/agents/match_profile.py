"""Match a profile to positions: tools in text (no function calling), a condition, hooks before and after."""

from crewai import Agent, Crew, Task
from crewai.project import CrewBase, after_kickoff, agent, before_kickoff, crew, task
from crewai.tasks.conditional_task import ConditionalTask


def needs_more(output) -> bool:
    return "incomplete" in output.raw


@CrewBase
class MatchToProposal:
    """Reads a CV and matches it."""

    agents_config = None
    tasks_config = None

    @before_kickoff
    def tidy(self, inputs):
        return {**inputs, "cv": inputs["cv"].strip()}

    @after_kickoff
    def sign(self, output):
        output.raw = f"{output.raw} (matched)"
        return output

    @agent
    def reader(self) -> Agent:
        return Agent(role="CV Reader", goal="Read", backstory="You read.", llm="gpt-4o-mini")

    @agent
    def matcher(self) -> Agent:
        return Agent(role="Matcher", goal="Match", backstory="You match.", llm="gpt-4o-mini")

    @task
    def read(self) -> Task:
        return Task(description="Read {cv}.", expected_output="Skills", agent=self.reader())

    @task
    def complete(self) -> Task:
        return ConditionalTask(
            description="Complete it.",
            expected_output="Skills",
            agent=self.reader(),
            condition=needs_more,
        )

    @task
    def match(self) -> Task:
        return Task(description="Match it.", expected_output="Matches", agent=self.matcher())

    @crew
    def crew(self) -> Crew:
        return Crew(agents=self.agents, tasks=self.tasks)
