"""Pydantic AI's own options of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from pydantic_ai import RunContext, UsageLimits
from pydantic_ai.models.test import TestModel

from civitas import Message, wrap
from civitas.errors import ConfigurationError, HandlerFailed
from civitas.topology import load
from civitas_pydantic_ai import PydanticAIAgent
from tests.core.frameworks.support import running
from tests.pydantic_ai.support import Says, call

LIMITS = UsageLimits(request_limit=1)


@dataclass
class Customer:
    name: str


def again() -> str:
    return "again"


@pytest.mark.promise(id="SEM-1868")
@pytest.mark.parametrize("limits", [LIMITS, {"request_limit": 1}, f"{__name__}:LIMITS"])
async def test_usage_limits_end_a_run(limits: Any) -> None:
    says = Says([[call("again", "c1")], "never"])
    agent = wrap(says.agent(tools=[again]), name="a", usage_limits=limits)
    async with running(agent) as runtime:
        with pytest.raises(HandlerFailed) as failed:
            await runtime.ask("a", {"input": "hi"})
    assert failed.value.error_type == "UsageLimitExceeded"


@pytest.mark.promise(id="SEM-1868")
async def test_the_model_and_its_settings_are_those_of_the_option() -> None:
    heard: list[Any] = []

    def settings(ctx: RunContext[Any]) -> Any:
        heard.append(ctx.run_step)
        return {"max_tokens": 7}

    says = Says(["never"])
    model = TestModel(custom_output_text="from the option")
    for given in ({"temperature": 0.5}, settings):
        agent = wrap(says.agent(), name="a", model=model, model_settings=given)
        async with running(agent) as runtime:
            reply = await runtime.ask("a", {"input": "hi"})
        assert reply.payload == {"output": "from the option"}
    assert heard


@pytest.mark.promise(id="SEM-1868")
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"model": 3}, "model must be a Model of Pydantic AI or the name of one"),
        ({"model_settings": 3}, "model_settings must be a dict"),
        ({"model_settings": {"temprature": 1}}, "did you mean 'temperature'"),
        ({"usage_limits": 3}, "usage_limits must be a UsageLimits"),
        ({"model_settings": {"bogus": 1}}, "model_settings has no 'bogus'; it has max_tokens"),
        ({"model_settings": {"temperature": "hot"}}, r"\['temperature'\] does not fit.*got 'hot'"),
        (
            {"usage_limits": {"request_limits": 3}},
            "no 'request_limits'; did you mean 'request_limit'",
        ),
        ({"usage_limits": {"request_limit": "five"}}, r"usage_limits\.request_limit does not fit"),
        ({"usage_limits": {"request_limit": -1}}, "request_limit must not be negative, got -1"),
        ({"usage_limits": UsageLimits(request_limit=-1)}, "request_limit must not be negative"),
        ({"usage_limits": "tests:nobody"}, r"cannot be resolved.*module:name"),
        ({"deps": lambda one, two: None}, "needs one, two"),
        ({"deps": Customer}, "deps is the class Customer, which needs 'name'"),
        ({"usage_limit": {}}, "takes no 'usage_limit'; did you mean 'usage_limits'"),
    ],
)
def test_an_option_that_does_not_fit_is_refused(options: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        PydanticAIAgent("a", agent=Says([]).agent(), **options)


AGENT = Says(["hello"]).agent()


@pytest.mark.promise(id="SEM-1868")
async def test_a_topology_names_the_agent_and_its_options(tmp_path: Any) -> None:
    file = tmp_path / "topology.yaml"
    wrapped = (
        f'wrap: "{__name__}:AGENT", usage_limits: {{request_limit: 3}}, deps: "{__name__}:LIMITS"'
    )
    file.write_text(f"supervision: {{children: [{{agent: {{name: a, {wrapped}}}}}]}}\n")
    load(file)


class OfMessage:
    def __init__(self, message: Any) -> None:
        self.sender = message.sender


class Annotated:
    def __init__(self, asked: Message) -> None:
        self.sender = asked.sender


@pytest.mark.promise(id="SEM-1867")
@pytest.mark.parametrize("made", [OfMessage, Annotated, lambda anything: anything])
async def test_a_class_whose_one_argument_is_the_message_gets_it(made: Any) -> None:
    senders: list[Any] = []

    def look(ctx: RunContext[Any]) -> str:
        senders.append(ctx.deps.sender)
        return "seen"

    says = Says([[call("look", "c1")], "done"])
    async with running(wrap(says.agent(tools=[look]), name="a", deps=made)) as runtime:
        await runtime.ask("a", {"input": "hi"})
    assert len(senders) == 1
