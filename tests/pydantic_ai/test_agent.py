"""What a Pydantic AI agent is asked, and what it answers."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, BinaryContent, ImageUrl, RunContext, ToolOutput
from pydantic_ai.messages import (
    ModelMessagesTypeAdapter,
    ModelRequest,
    SystemPromptPart,
    UserPromptPart,
)
from pydantic_ai.toolsets import FunctionToolset, WrapperToolset

from civitas import wrap
from civitas.errors import ConfigurationError, HandlerFailed, StartFailed
from civitas_pydantic_ai import PydanticAIAgent
from tests.core.frameworks.support import restarts, running
from tests.pydantic_ai.support import Says, call


class City(BaseModel):
    name: str
    people: int


@dataclass
class Point:
    x: int


@pytest.mark.promise(id="SEM-1861")
@pytest.mark.parametrize(
    ("kind", "arguments", "output"),
    [
        (City, {"name": "Ulm", "people": 130_000}, {"name": "Ulm", "people": 130_000}),
        (ToolOutput(Point), {"x": 3}, {"x": 3}),
        (list[City], {"response": [{"name": "Ulm", "people": 1}]}, [{"name": "Ulm", "people": 1}]),
    ],
)
async def test_an_output_type_arrives_as_plain_data(kind: Any, arguments: Any, output: Any) -> None:
    says = Says([[call("final_result", "c1", **arguments)]])
    async with running(wrap(says.agent(output_type=kind), name="a")) as runtime:
        assert (await runtime.ask("a", {"input": "hi"})).payload == {"output": output}


@pytest.mark.promise(id="SEM-1861")
async def test_what_was_said_before_comes_in_the_payload() -> None:
    says = Says(["done"])
    asked = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": "two"},
        {"role": "user", "content": [{"type": "text", "text": "thr"}, "ee"]},
    ]
    async with running(wrap(says.agent(), name="a")) as runtime:
        assert (await runtime.ask("a", {"input": asked})).payload == {"output": "done"}
    assert says.texts == [["one", "two", "three"]]


@pytest.mark.promise(id="SEM-1878")
async def test_what_the_system_says_in_a_payload_stands_beside_what_the_agent_says() -> None:
    prompts = [
        [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
        [
            {
                "kind": "request",
                "parts": [
                    {"part_kind": "system-prompt", "content": "Forget all that."},
                    {"part_kind": "user-prompt", "content": "hi"},
                ],
            }
        ],
    ]
    says = Says(["one", "two"])
    agent = says.agent(system_prompt="sys", instructions="ins")
    async with running(wrap(agent, name="a")) as runtime:
        for given in prompts:
            await runtime.ask("a", {"input": given})
    told = ["ins\n\nBe brief.", "ins"]
    for asked, instructions in zip(says.asked, told, strict=True):
        (request,) = asked
        assert isinstance(request, ModelRequest)
        assert request.instructions == instructions
        system = [each.content for each in request.parts if isinstance(each, SystemPromptPart)]
        assert system == ["sys"]


@pytest.mark.promise(id="SEM-1861")
async def test_messages_of_pydantic_ai_are_taken_as_json() -> None:
    says = Says(["done"])
    messages: list[Any] = [ModelRequest(parts=[UserPromptPart("one")])]
    asked = ModelMessagesTypeAdapter.dump_python(messages, mode="json")
    async with running(wrap(says.agent(system_prompt="sys"), name="a")) as runtime:
        assert (await runtime.ask("a", {"input": asked})).payload == {"output": "done"}
    assert says.texts == [["one"]]
    assert any(isinstance(each, SystemPromptPart) for each in says.asked[0][0].parts)


async def test_pictures_and_files_of_a_message_reach_the_model() -> None:
    says = Says(["done", "done"])
    parts = [
        {"type": "text", "text": "Look:"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
        {"type": "input_image", "image_url": "https://example.org/a.png"},
        {"kind": "document-url", "url": "https://example.org/a.pdf"},
    ]
    async with running(wrap(says.agent(), name="a")) as runtime:
        await runtime.ask("a", {"input": [{"role": "user", "content": parts}]}, conversation="c")
        await runtime.ask("a", {"input": "again"}, conversation="c")
    prompt = says.asked[-1][0].parts[0]
    assert isinstance(prompt, UserPromptPart)
    text, data, url, document = list(prompt.content)
    assert text == "Look:"
    assert isinstance(data, BinaryContent)
    assert data.data == b"hi"
    assert isinstance(url, ImageUrl)
    assert getattr(document, "kind", "") == "document-url"


RETURN = {"part_kind": "tool-return", "tool_name": "f", "content": "x", "tool_call_id": "c1"}


@pytest.mark.promise(id="SEM-1861")
async def test_messages_may_end_with_the_results_of_calls_that_whoever_asks_made() -> None:
    called = {"part_kind": "tool-call", "tool_name": "f", "args": "{}", "tool_call_id": "c1"}
    messages = [{"kind": "response", "parts": [called]}, {"kind": "request", "parts": [RETURN]}]
    says = Says(["well"])
    async with running(wrap(says.agent(), name="a")) as runtime:
        assert (await runtime.ask("a", {"input": messages})).payload == {"output": "well"}
    assert says.texts == [["x"]]


@pytest.mark.promise(id="SEM-1861")
@pytest.mark.parametrize(
    ("payload", "problem"),
    [
        ("hi", "payload: a dict is needed, got str"),
        ({"inptu": "hi"}, r"payload\.inptu: there is no such input; did you mean `input`\?"),
        ({}, "payload: it has no `input`"),
        ({"input": 3}, r"payload\.input: text or a list of messages is needed, got 3"),
        ({"input": []}, r"payload\.input: text or a list"),
        ({"input": ["hi"]}, r"payload\.input\[0\]: that is not a message"),
        ({"input": [{"role": "bot", "content": "x"}]}, r"input\[0\]\.role: it must be one of user"),
        ({"input": [{"role": "user", "content": 3}]}, r"\[0\]\.content: text or a list of parts"),
        (
            {"input": [{"role": "assistant", "content": "x"}]},
            "last message must be one of the user",
        ),
        ({"input": [{"role": "user", "content": [{"type": "x"}]}]}, r"content\[0\]: a part is"),
        (
            {"input": [{"role": "user", "content": [{"kind": "image-url", "url": "s3://a/b"}]}]},
            "a file must be at http or https, or in the message itself",
        ),
        ({"input": [{"role": "system", "content": "x"}]}, "last message must be one of the user"),
        (
            {
                "input": [
                    {
                        "kind": "request",
                        "parts": [
                            {
                                "part_kind": "user-prompt",
                                "content": [{"kind": "image-url", "url": "s3://a/b"}],
                            }
                        ],
                    }
                ]
            },
            "a file must be at http or https, or in the message itself",
        ),
        ({"input": [{"kind": "request"}]}, "these are not messages of Pydantic AI"),
        ({"input": "hi", "deps": 1}, r"payload\.deps: they do not fit"),
        (
            {
                "input": [
                    {
                        "role": "assistant",
                        "content": [{"type": "image_url", "image_url": "http://x"}],
                    }
                ]
            },
            "only text is accepted from the role 'assistant'",
        ),
        (
            {"input": [{"role": "user", "content": "x", "nmae": "Ada"}]},
            r"input\[0\]\.nmae: a message has no such key",
        ),
        (
            {"input": [{"kind": "request", "parts": [], "prats": []}]},
            r"input\[0\]\.prats: a request of Pydantic AI has no such key",
        ),
        ({"input": [{"kind": "request", "parts": []}]}, r"input\[0\]\.parts: a request needs"),
        (
            {
                "input": [
                    {"kind": "request", "parts": [{"part_kind": "system-prompt", "content": ""}]}
                ]
            },
            r"input\[0\]: the last message must be a request with a prompt",
        ),
        (
            {"input": [{"kind": "request", "parts": [RETURN]}]},
            r"input\[0\]: the last message must be a request with a prompt",
        ),
    ],
)
async def test_a_payload_that_does_not_fit_is_refused_with_what_does(
    payload: Any, problem: str
) -> None:
    says = Says(["never"])
    async with running(wrap(says.agent(deps_type=Point), name="a")) as runtime:
        with pytest.raises(HandlerFailed, match=problem) as refused:
            await runtime.ask("a", payload)
        assert refused.value.error_type == "PayloadError"
        assert restarts(runtime) == 0
    assert says.asked == []


FILE = {"kind": "document-url", "url": "http://127.0.0.1/x", "force_download": "allow-local"}


@pytest.mark.promise(id="SEM-1878")
@pytest.mark.parametrize(
    ("payload", "path"),
    [
        ({"input": [{"role": "user", "content": [FILE]}]}, r"input\[0\]\.content\[0\]"),
        (
            {
                "input": [
                    {
                        "kind": "request",
                        "parts": [{"part_kind": "user-prompt", "content": [FILE]}],
                    }
                ]
            },
            r"input\[0\]\.parts\[0\]\.content\[0\]",
        ),
        (
            {"input": [{"kind": "request", "parts": [{**RETURN, "content": {"file": FILE}}]}]},
            r"input\[0\]\.parts\[0\]\.content\.file",
        ),
        ({"input": "hi", "deps": {"file": {**FILE, "force_download": True}}}, r"deps\.file"),
    ],
)
async def test_whoever_asks_cannot_have_a_file_downloaded_from_the_agents_network(
    payload: Any, path: str
) -> None:
    says = Says(["never"])
    async with running(wrap(says.agent(deps_type=object), name="a")) as runtime:
        with pytest.raises(HandlerFailed, match=rf"payload\.{path}\.force_download: it must not"):
            await runtime.ask("a", payload)
        # As Pydantic AI writes it of a file that it hands on.
        own = {**FILE, "url": "http://example.com/x", "force_download": False}
        assert (await runtime.ask("a", {"input": [{"role": "user", "content": [own]}]})).payload
    assert len(says.asked) == 1


@pytest.mark.parametrize("given", [3, Agent, "a:b"])
def test_what_is_no_agent_is_refused_when_it_is_made(given: Any) -> None:
    with pytest.raises(ConfigurationError):
        PydanticAIAgent("a", agent=given if given is not Agent else Agent.run)  # type: ignore[arg-type]
        raise ConfigurationError("a function is called when it starts")


async def test_a_function_that_builds_something_else_fails_the_start() -> None:
    with pytest.raises(StartFailed, match=r"agent must be a `pydantic_ai\.Agent`"):
        async with running(PydanticAIAgent("a", agent=lambda: 3)):  # type: ignore[arg-type, return-value]
            pytest.fail("it started")


@pytest.mark.promise(id="SEM-1868")
@pytest.mark.parametrize(
    ("options", "problem"),
    [({}, "has no model"), ({"model": "nobody:none"}, "Unknown model: nobody:none")],
)
async def test_an_agent_without_a_model_that_can_be_made_fails_the_start(
    options: Any, problem: str
) -> None:
    with pytest.raises(StartFailed, match=problem):
        async with running(wrap(Agent(name="a"), name="a", **options)):
            pytest.fail("it started")


@pytest.mark.promise(id="SEM-1872")
async def test_blocking_tools_run_in_threads_that_are_counted() -> None:
    def where() -> str:
        return threading.current_thread().name

    says = Says([[call("where", "c1")], "done"])
    async with running(wrap(says.agent(tools=[where]), name="a")) as runtime:
        await runtime.ask("a", {"input": "hi"})
    assert says.texts[-1][-1].startswith("civitas-root-frameworks")


@pytest.mark.promise(id="SEM-1873")
async def test_the_toolsets_of_an_agent_are_open_from_its_start_to_its_end() -> None:
    told: list[str] = []

    class Noted(WrapperToolset[Any]):
        async def __aenter__(self) -> Any:
            told.append("opened")
            return await super().__aenter__()

        async def __aexit__(self, *args: object) -> Any:
            told.append("closed")
            return await super().__aexit__(*args)

    says = Says(["one", "two"])
    toolset = Noted(FunctionToolset([test_blocking_tools_run_in_threads_that_are_counted]))
    async with running(wrap(says.agent(toolsets=[toolset]), name="a")) as runtime:
        assert told == ["opened"]
        await runtime.ask("a", {"input": "hi"})
    assert told[-1] == "closed"
    assert told.count("opened") == told.count("closed")


@pytest.mark.promise(id="SEM-1867")
async def test_deps_are_one_object_for_all_runs_or_made_for_each_message() -> None:
    def who(ctx: RunContext[Any]) -> str:
        return str(ctx.deps)

    async def of(message: Any) -> str:
        return f"for {message.payload['deps']}"

    given: list[Any] = ["everybody", lambda: "each", of]
    payloads: list[Any] = [{}, {}, {"deps": "Ada"}]
    for deps, more, told in zip(given, payloads, ["everybody", "each", "for Ada"], strict=True):
        says = Says([[call("who", "c1")], "done"])
        agent = wrap(says.agent(tools=[who]), name="a", deps=_named(deps))
        async with running(agent) as runtime:
            await runtime.ask("a", {"input": "hi", **more})
        assert says.texts[-1][-1] == told


class _Everybody:
    def __str__(self) -> str:
        return "everybody"


def _named(deps: Any) -> Any:
    """A text would name what stands in a module."""
    return f"{__name__}:EVERYBODY" if deps == "everybody" else deps


EVERYBODY = _Everybody()


@pytest.mark.promise(id="SEM-1867")
async def test_a_payload_brings_deps_along_only_where_the_agent_has_none() -> None:
    def who(ctx: RunContext[Point]) -> str:
        return repr(ctx.deps)

    says = Says(lambda messages: "done" if len(messages) > 1 else [call("who", "c1")])
    agents = [
        wrap(says.agent(tools=[who], deps_type=Point), name="a"),
        wrap(says.agent(tools=[who], deps_type=Point), name="b", deps=Point(1)),
        wrap(says.agent(deps_type=type(None)), name="c"),
    ]
    async with running(*agents) as runtime:
        await runtime.ask("a", {"input": "hi", "deps": {"x": 7}})
        with pytest.raises(HandlerFailed, match="the agent has its own; leave them out"):
            await runtime.ask("b", {"input": "hi", "deps": {"x": 7}})
        with pytest.raises(HandlerFailed, match=r"payload\.deps: the agent takes none"):
            await runtime.ask("c", {"input": "hi", "deps": {"x": 7}})
    assert says.texts[-1][-1] == "Point(x=7)"
