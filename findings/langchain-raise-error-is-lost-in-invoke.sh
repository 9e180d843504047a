#!/bin/bash
# langchain-core 1.8: a callback handler with `raise_error = True` stops a call by raising. An async handler does so with
# `ainvoke`; with `invoke` the error is logged, and the model is called all the same. So a handler that is to refuse a call,
# as one that watches a budget, must be a synchronous one, or it refuses half of the calls only.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check langchain-core==1.8.3

cat > look.py <<'PYTHON'
import asyncio
import logging
from importlib.metadata import version

from langchain_core.callbacks import AsyncCallbackHandler
from langchain_core.language_models.fake_chat_models import FakeListChatModel

logging.disable(logging.CRITICAL)


class Refuses(AsyncCallbackHandler):
    raise_error = True

    async def on_chat_model_start(self, serialized, messages, **told):
        raise PermissionError("the budget is used up")


def told(call):
    """What whoever calls is told."""
    try:
        return call().content
    except PermissionError:
        return "PermissionError"


model = FakeListChatModel(responses=["an answer"])
config = {"callbacks": [Refuses()]}
awaited = told(lambda: asyncio.run(model.ainvoke("hello", config)))
called = told(lambda: model.invoke("hello", config))
print("langchain-core", version("langchain-core"))
print("expected: PermissionError from ainvoke and from invoke")
print(f"seen:     {awaited} from ainvoke, {called!r} from invoke")
raise SystemExit(0 if (awaited, called) == ("PermissionError", "an answer") else 1)
PYTHON
venv/bin/python look.py
