#!/bin/bash
# pydantic-ai-slim 2.68: a history of messages is written by `ModelMessagesTypeAdapter.dump_python` and read by its
# `validate_python`. With `exclude_none=True`, Pydantic's way to leave out what is not set, a tool that returned None loses
# the key `content`, which has no default: the history that was written cannot be read any more.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pydantic-ai-slim==2.68.0

cat > look.py <<'PYTHON'
from importlib.metadata import version

from pydantic import ValidationError
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessagesTypeAdapter
from pydantic_ai.models.test import TestModel

agent = Agent(TestModel())


@agent.tool_plain
def note() -> None:
    """Note it."""


history = agent.run_sync("hello").all_messages()


def read_again(**how):
    """What becomes of the history when it was written like that."""
    written = ModelMessagesTypeAdapter.dump_python(history, mode="json", **how)
    try:
        return "the same" if ModelMessagesTypeAdapter.validate_python(written) == history else "another"
    except ValidationError as error:
        return f"ValidationError at {error.errors()[0]['loc'][-1]!r}"


whole, without = read_again(), read_again(exclude_none=True)
print("pydantic-ai-slim", version("pydantic-ai-slim"))
print("expected: the same with all keys, the same without those that are None")
print(f"seen:     {whole} with all keys, {without} without those that are None")
raise SystemExit(0 if (whole, without) == ("the same", "ValidationError at 'content'") else 1)
PYTHON
venv/bin/python look.py
