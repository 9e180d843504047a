#!/bin/bash
# OpenAI Agents SDK 0.24: a run that fails before the model has answered leaves its question in the session. Whoever runs it
# again, as one does when a provider was away, has the question twice in the conversation, for good.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check openai-agents==0.24.0

cat > look.py <<'PYTHON'
import asyncio
from importlib.metadata import version

from agents import Agent, ModelResponse, Runner, SQLiteSession, Usage, set_tracing_disabled
from agents.models.interface import Model
from openai.types.responses import ResponseOutputMessage, ResponseOutputText

set_tracing_disabled(True)


class AwayAtFirst(Model):
    """Cannot be reached the first time, and then answers with how many questions it was given."""

    def __init__(self):
        self.asked = 0

    async def get_response(self, system_instructions, input, *more, **named):
        self.asked += 1
        if self.asked == 1:
            raise ConnectionError("the provider is away")
        questions = sum(each.get("role") == "user" for each in input)
        part = ResponseOutputText(text=str(questions), type="output_text", annotations=[])
        item = ResponseOutputMessage(
            id="m", content=[part], role="assistant", status="completed", type="message"
        )
        return ModelResponse([item], Usage(), None)

    def stream_response(self, *arguments, **named):
        raise NotImplementedError


async def look():
    """How many questions the model was given when it answered, and how many the session has."""
    session = SQLiteSession("one", "sessions.db")
    agent = Agent(name="clerk", model=AwayAtFirst())
    try:
        await Runner.run(agent, "What is 2 + 2?", session=session)
    except ConnectionError:
        result = await Runner.run(agent, "What is 2 + 2?", session=session)
    items = await session.get_items()
    session.close()
    return int(result.final_output), sum(each.get("role") == "user" for each in items)


given, kept = asyncio.run(look())
print("openai-agents", version("openai-agents"))
print("expected: the model is given 1 question, and the session has 1")
print(f"seen:     the model is given {given} questions, and the session has {kept}")
raise SystemExit(0 if (given, kept) == (2, 2) else 1)
PYTHON
venv/bin/python look.py
