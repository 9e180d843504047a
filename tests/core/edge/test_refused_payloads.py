"""Payloads that an agent does not take, over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from civitas import AgentProcess, Message, Runtime, Supervisor
from civitas.edge.http import HttpEdge, HttpOptions
from tests.core.edge.poets import PLAIN
from tests.core.frameworks.machine import Machine, MachineAgent


@asynccontextmanager
async def asking(agent: AgentProcess) -> AsyncIterator[httpx.AsyncClient]:
    edge = HttpEdge(HttpOptions(port=0))
    async with (
        Runtime(Supervisor("root", [agent]), edges=[edge]),
        httpx.AsyncClient(base_url=edge.url, verify=PLAIN) as client,
    ):
        yield client


@pytest.mark.promise(id="SEM-1898")
@pytest.mark.parametrize("path", ["/agents/m/ask", "/v1/responses"])
async def test_a_payload_that_an_adapter_refuses_is_the_caller_s_mistake(path: str):
    body: dict[str, Any] = {"payload": {"odrer": "go"}, "model": "m", "input": "go"}
    wanted = ("payload",) if path.startswith("/agents") else ("model", "input")
    async with asking(MachineAgent("m", machine=Machine())) as client:
        answer = await client.post(path, json={key: body[key] for key in wanted})
        ready = await client.get("/readyz")
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_payload")
    assert error["message"].startswith("'m' does not take this: payload: it takes a list")
    assert ready.status_code == 200


@pytest.mark.promise(id="SEM-1898")
async def test_an_answer_that_cannot_be_sent_is_not_the_caller_s_mistake():
    class Careless(AgentProcess):
        async def handle(self, message: Message) -> Message:
            return self.reply({"socket": object()})

    async with asking(Careless("careless")) as client:
        answer = await client.post("/agents/careless/ask", json={"payload": {}})
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "agent_failed")
