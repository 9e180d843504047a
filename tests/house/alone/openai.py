"""The OpenAI adapter alone, with the core it brings along; the model is scripted."""

from __future__ import annotations

import asyncio
import importlib.util
from typing import Any

from agents import Agent, Model, ModelResponse, Usage
from openai.types.responses import ResponseOutputMessage, ResponseOutputText

from civitas import Runtime, Supervisor, wrap


class Scripted(Model):
    """Says one sentence."""

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        text = ResponseOutputText(text="hello", type="output_text", annotations=[])
        message = ResponseOutputMessage(
            id="m1", content=[text], role="assistant", status="completed", type="message"
        )
        return ModelResponse(output=[message], usage=Usage(), response_id=None)

    def stream_response(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError


agent = wrap(Agent(name="greeter", model=Scripted()), name="greeter")


async def main() -> None:
    async with Runtime(Supervisor("root", children=[agent])) as runtime:
        assert (await runtime.ask("greeter", {"input": "hi"})).payload == {"output": "hello"}


asyncio.run(main())
assert not [name for name in ("langgraph", "crewai") if importlib.util.find_spec(name)]
print("works alone")
