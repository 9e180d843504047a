#!/bin/bash
# A model reports that its context window is full. With `respect_context_window=True`, the default, CrewAI sums up the
# conversation so that the agent can go on with it. Expected: the model is asked again, on the summary. Seen: it never is;
# the crew ends well, and its output is a sentence of CrewAI's own.
set -euo pipefail
version=1.15.30
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --no-compile --disable-pip-version-check "crewai==$version"
cat > case.py <<'CASE'
import logging
import sys
import warnings

warnings.simplefilter("ignore")
from importlib.metadata import version

from crewai import Agent, BaseLLM, Crew, Task
from crewai.utilities.exceptions.context_window_exceeding_exception import (
    LLMContextLengthExceededError,
)

logging.disable(logging.CRITICAL)
asked = []


class Model(BaseLLM):
    def call(self, messages, *args, **keywords):
        asked.append(messages)
        if len(asked) == 1:
            raise LLMContextLengthExceededError("the window is full")
        return "a summary" if len(asked) == 2 else "the answer"

    async def acall(self, messages, *args, **keywords):
        return self.call(messages)


agent = Agent(role="r", goal="g", backstory="b", llm=Model(model="m"), max_retry_limit=0)
crew = Crew(agents=[agent], tasks=[Task(description="d", expected_output="e", agent=agent)])
output = crew.kickoff().raw
print("crewai", version("crewai"))
print("expected: 3 calls of the model (full, summary, answer); output 'the answer'")
print(f"seen:     {len(asked)} calls of the model; output {output!r}")
sys.exit(0 if len(asked) == 2 and output != "the answer" else 1)
CASE
export CREWAI_DISABLE_TELEMETRY=true CREWAI_TRACING_ENABLED=false CREWAI_DISABLE_VERSION_CHECK=true XDG_DATA_HOME=$folder
venv/bin/python case.py
