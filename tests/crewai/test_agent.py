"""Crews as agents."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from crewai import Agent, Crew, Task
from crewai.project import CrewBase, agent, crew, task
from pydantic import BaseModel

from civitas.demo.model_server import Failure
from civitas.errors import AskTimeout, ConfigurationError, HandlerFailed, StartFailed
from civitas.frameworks import wrap
from civitas_crewai import CrewAIAgent
from tests.core.frameworks.support import restarts, running

# CrewAI warns of itself.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def crew_of(llm: Any, *, description: str = "Write about {topic}", **more: Any) -> Crew:
    writer = Agent(role="Writer", goal="Write", backstory="You write.", llm=llm, max_retry_limit=0)
    draft = Task(
        name="draft", description=description, expected_output="Text", agent=writer, **more
    )
    return Crew(agents=[writer], tasks=[draft])


def about(body: dict[str, Any]) -> str:
    """Answers with the line of the prompt that says what to write about."""
    said = str(body["messages"][-1]["content"])
    return next(line for line in said.splitlines() if "Write about" in line).strip()


async def test_the_payload_is_the_inputs_and_the_reply_has_every_task(scripted):
    llm = scripted(["an answer"])
    async with running(CrewAIAgent("c", crew=lambda: crew_of(llm))) as runtime:
        reply = await runtime.ask("c", {"topic": "otters"})
    assert reply.payload == {
        "output": "an answer",
        "tasks": [{"name": "draft", "raw": "an answer"}],
    }


async def test_each_run_has_its_own_inputs_also_from_one_crew(scripted):
    async with running(CrewAIAgent("c", crew=crew_of(scripted(about)))) as runtime:
        for topic in ("otters", "cats"):
            reply = await runtime.ask("c", {"topic": topic})
            assert topic in reply.payload["output"]


async def test_a_structured_output_arrives_as_a_dict(scripted):
    class Verdict(BaseModel):
        score: int

    llm = scripted(lambda body: '{"score": 3}')
    made = crew_of(llm, output_pydantic=Verdict)
    async with running(CrewAIAgent("c", crew=made)) as runtime:
        reply = await runtime.ask("c", {"topic": "otters"})
    assert reply.payload["output"] == {"score": 3}


async def test_a_crew_that_streams_answers_all_the_same(scripted):
    def make() -> Crew:
        made = crew_of(llm)
        made.stream = True
        return made

    llm = scripted(["an answer"])
    async with running(CrewAIAgent("c", crew=make)) as runtime:
        reply = await runtime.ask("c", {"topic": "otters"})
    assert reply.payload["output"] == "an answer"


async def test_messages_that_come_at_once_run_one_after_the_other(scripted):
    async with running(CrewAIAgent("c", crew=crew_of(scripted(about)))) as runtime:
        replies = await asyncio.gather(
            *(runtime.ask("c", {"topic": topic}) for topic in ("otters", "cats"))
        )
    for topic, reply in zip(("otters", "cats"), replies, strict=True):
        assert topic in reply.payload["output"]


@pytest.mark.parametrize(
    ("payload", "error"),
    [
        ("hi", r"payload: a dict of kickoff inputs is needed, got str; the crew takes 'topic'"),
        ({"topik": "otters"}, r"payload\.topic: it is missing; .* the payload has 'topik'"),
        ({}, r"payload\.topic: it is missing; .* the payload has nothing"),
    ],
)
async def test_a_payload_that_does_not_fit_is_refused_with_what_fits(scripted, payload, error):
    async with running(CrewAIAgent("c", crew=crew_of(scripted([])))) as runtime:
        with pytest.raises(HandlerFailed, match=error) as failed:
            await runtime.ask("c", payload)
        assert failed.value.error_type == "PayloadError"
        assert restarts(runtime) == 0


async def test_a_models_own_error_reaches_the_asker_by_name_and_the_agent_lives(scripted):
    llm = scripted([Failure(400, "no"), "an answer"])
    async with running(CrewAIAgent("c", crew=lambda: crew_of(llm))) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("c", {"topic": "otters"})
        assert failed.value.error_type == "BadRequestError"
        reply = await runtime.ask("c", {"topic": "otters"})
        assert reply.payload["output"] == "an answer"
        assert restarts(runtime) == 0


async def test_a_run_that_times_out_is_cancelled_and_its_later_tasks_do_not_begin(scripted):
    calls: list[Any] = []
    release = threading.Event()

    def script(body: dict[str, Any]) -> str:
        calls.append(body)
        if len(calls) == 1:
            release.wait(5)
        return "an answer"

    def make() -> Crew:
        first = crew_of(llm)
        second = Task(description="Edit", expected_output="Text", agent=first.agents[0])
        return Crew(agents=first.agents, tasks=[*first.tasks, second])

    llm = scripted(script)
    async with running(CrewAIAgent("c", crew=make)) as runtime:
        with pytest.raises(AskTimeout):
            await runtime.ask("c", {"topic": "otters"}, timeout=0.5)
        begun = len(calls)  # one, or none yet on a busy machine
        release.set()
        await runtime.ask("c", {"topic": "cats"})
    assert len(calls) == begun + 2


async def test_the_crew_stays_as_it_was(scripted):
    made = crew_of(scripted(about))
    before = made.model_dump_json(exclude={"tasks", "agents"})
    texts = [(task.description, task.output) for task in made.tasks]
    async with running(CrewAIAgent("c", crew=made)) as runtime:
        await runtime.ask("c", {"topic": "otters"})
    assert made.model_dump_json(exclude={"tasks", "agents"}) == before
    assert [(task.description, task.output) for task in made.tasks] == texts
    assert made.agents[0].role == "Writer"


async def test_what_tasks_say_is_not_written_into_the_users_folder(scripted, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    llm = scripted(["a secret answer"])
    async with running(CrewAIAgent("c", crew=lambda: crew_of(llm))) as runtime:
        await runtime.ask("c", {"topic": "otters"})
    files = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert files
    assert not any(b"a secret answer" in each.read_bytes() for each in files)


async def test_a_crew_that_ran_before_is_refused_as_it_would_repeat_itself(scripted):
    made = crew_of(scripted(about))
    await made.akickoff(inputs={"topic": "otters"})
    with pytest.raises(StartFailed, match="give a function that builds it"):
        async with running(CrewAIAgent("c", crew=made)):
            pass


async def test_two_agents_of_one_role_keep_their_own_tasks_in_a_copy(scripted):
    first, second = (
        Agent(role="Writer", goal=goal, backstory="You write.", llm=llm, max_retry_limit=0)
        for goal, llm in (("one", scripted(["from one"])), ("two", scripted(["from two"])))
    )
    tasks = [Task(description="x", expected_output="x", agent=who) for who in (first, second)]
    made = Crew(agents=[first, second], tasks=tasks)
    async with running(CrewAIAgent("c", crew=made)) as runtime:
        reply = await runtime.ask("c", {})
    assert [each["raw"] for each in reply.payload["tasks"]] == ["from one", "from two"]


async def test_wrap_knows_a_crew_a_function_and_a_crew_class(scripted):
    llm = scripted(about)

    @CrewBase
    class Team:
        agents: list[Any]
        tasks: list[Any]
        agents_config: Any = {}
        tasks_config: Any = {}

        @agent
        def writer(self) -> Agent:
            return Agent(
                role="Writer", goal="Write", backstory="You write.", llm=llm, max_retry_limit=0
            )

        @task
        def draft(self) -> Task:
            return Task(
                description="Write about {topic}",
                expected_output="Text",
                agent=self.writer(),  # type: ignore[call-arg]
            )

        @crew
        def crew(self) -> Crew:
            return Crew(agents=self.agents, tasks=self.tasks)

    agents = [
        wrap(crew_of(llm), name="a"),
        wrap(lambda: crew_of(llm), name="b"),
        wrap(Team, name="c"),
        wrap(Team(), name="d"),
    ]
    async with running(*agents) as runtime:
        for name in ("a", "b", "c", "d"):
            reply = await runtime.ask(name, {"topic": "otters"})
            assert "otters" in reply.payload["output"]
            reply = await runtime.ask(name, {"topic": "cats"})
            assert "cats" in reply.payload["output"]


def test_what_is_no_crew_is_an_error_that_says_what_is():
    with pytest.raises(ConfigurationError, match=r"crew must be a `crewai\.Crew`.*got 'c'"):
        CrewAIAgent("c", crew="c")  # type: ignore[arg-type]
