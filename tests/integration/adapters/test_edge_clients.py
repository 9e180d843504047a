"""Clients that nobody here wrote, at the HTTP edge."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from agents import Agent, OpenAIChatCompletionsModel, OpenAIResponsesModel, Runner
from langchain_core.messages import AIMessage
from langchain_openai import ChatOpenAI
from langgraph.graph import END, START, MessagesState, StateGraph
from openai import AsyncOpenAI
from pydantic import SecretStr

import civitas
from civitas import AgentProcess, Message, Runtime, Supervisor
from civitas.edge.http import HttpEdge, HttpOptions
from civitas_openai import OpenAIAgent


def echo(state: MessagesState) -> MessagesState:
    said = [str(message.content) for message in state["messages"] if message.type == "human"]
    return {"messages": [AIMessage(f"You said {', '.join(said)}")]}


class Flaky(AgentProcess):
    """Crashes with each message once."""

    async def handle(self, message: Message) -> Message:
        if message.attempt == 0:
            raise ValueError("the first time")
        return self.reply({"output": "after all"})


@pytest_asyncio.fixture
async def url() -> AsyncIterator[str]:
    builder = StateGraph(MessagesState)
    builder.add_node("echo", echo)
    builder.add_edge(START, "echo")
    builder.add_edge("echo", END)
    children = [
        civitas.wrap(builder.compile(), name="echo"),
        Flaky("flaky", delivery="at_least_once"),
    ]
    edge = HttpEdge(HttpOptions(port=0))
    async with Runtime(Supervisor("root", children=children), edges=[edge]):
        yield f"{edge.url}/v1"


@pytest.mark.promise(id="SEM-1731")
async def test_a_graph_is_the_model_of_a_langchain_chat(url: str) -> None:
    async with httpx.AsyncClient() as http:
        chat = ChatOpenAI(
            model="echo", base_url=url, api_key=SecretStr("none"), http_async_client=http
        )
        answer = await chat.ainvoke([("user", "one"), ("assistant", "hm"), ("user", "two")])
        assert answer.content == "You said one, two"
        told = [chunk.content async for chunk in chat.astream("three")]
    assert "".join(map(str, told)) == "You said three"


@pytest.mark.promise(id="SEM-1732")
async def test_a_graph_remembers_the_conversation_of_a_client_of_the_responses(url: str) -> None:
    async with AsyncOpenAI(base_url=url, api_key="none") as client:
        first = await client.responses.create(model="echo", input="one")
        then = await client.responses.create(
            model="echo", input="two", previous_response_id=first.id
        )
        other = await client.responses.create(model="echo", input="three")
    assert then.output_text == "You said one, two"
    assert other.output_text == "You said three"


@pytest.mark.promise(id="SEM-1731")
@pytest.mark.parametrize("kind", [OpenAIChatCompletionsModel, OpenAIResponsesModel])
async def test_the_model_of_an_sdk_agent_is_an_agent_of_another_system(
    url: str, kind: type
) -> None:
    async with AsyncOpenAI(base_url=url, api_key="none") as client:
        agent = Agent(name="other", model=kind("echo", openai_client=client))
        found = await Runner.run(agent, "hello")
        assert found.final_output == "You said hello"
        async with Runtime(
            Supervisor("root", children=[OpenAIAgent("other", agent=agent)]), name="other"
        ) as other:
            reply = await other.ask("other", {"input": "hello"})
    assert reply.payload["output"] == "You said hello"


@pytest.mark.promise(id="SEM-1731")
async def test_a_client_does_not_notice_that_its_agent_crashes(url: str) -> None:
    async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
        answer = await client.chat.completions.create(
            model="flaky", messages=[{"role": "user", "content": "x"}]
        )
    assert answer.choices[0].message.content == "after all"


@pytest.mark.promise(id="SEM-1736")
async def test_curl_is_enough(url: str) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("there is no curl on this machine")
    body = json.dumps({"model": "echo", "messages": [{"role": "user", "content": "hi"}]})
    process = await asyncio.create_subprocess_exec(
        curl, "-sS", f"{url}/chat/completions", "-d", body, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert json.loads(said)["choices"][0]["message"]["content"] == "You said hi"


NODE = """
import OpenAI from "openai";
const client = new OpenAI({baseURL: process.argv[2], apiKey: "none"});
const messages = [{role: "user", content: "hi"}];
const stream = await client.chat.completions.create({model: "echo", messages, stream: true});
const told = [];
for await (const chunk of stream) told.push(chunk.choices[0]?.delta?.content ?? "");
const response = await client.responses.create({model: "echo", input: "hi"});
console.log(JSON.stringify([told.join(""), response.output_text]));
"""


@pytest.mark.promise(id="SEM-1731")
async def test_the_client_of_npm_is_one_too(url: str, tmp_path: Path) -> None:
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm is None or node is None:
        pytest.skip("there is no node with npm on this machine")

    async def run(*command: str) -> tuple[int | None, bytes]:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        return process.returncode, said

    status, _ = await run(npm, "install", "--silent", "--no-audit", "openai@6.49.0")
    if status:
        pytest.skip("npm could not install the client")
    (tmp_path / "client.mjs").write_text(NODE)
    status, said = await run(node, "client.mjs", url)
    assert status == 0
    assert json.loads(said) == ["You said hi", "You said hi"]
