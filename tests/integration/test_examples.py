"""The examples, as a reader runs them."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from typing import Any

import pytest

from civitas.demo.model_server import Answer, ModelServer, ToolCall
from civitas.topology import load
from tests.house.project import ROOT

EXAMPLES = ROOT / "examples"
NEEDS = {"langgraph": "langgraph", "openai": "agents", "crewai": "crewai"}


def said(body: dict[str, Any]) -> Answer:
    """What the model says to the examples."""
    last = body["messages"][-1]
    if last["role"] == "tool":
        return f"Order 1002 is {last['content']}."
    if body.get("tools"):
        return ToolCall("find_order", {"number": "1002"})
    return "checked" if "Correct the description" in str(body["messages"]) else "drafted"


EXPECTED = {
    "langgraph": [
        "My invoice is wrong: billing",
        "The app is slow: engineering",
        (
            "payload.txt: the graph has no such input; did you mean 'text'? "
            "it takes 'text', 'queue', 'answer'"
        ),
    ],
    "openai": ["Order 1002 is waiting for a missing part."],
    "crewai": ["draft: drafted", "check: checked"],
}


@pytest.mark.slow
@pytest.mark.timeout(90)
@pytest.mark.parametrize("name", EXPECTED)
def test_an_example_runs_as_it_stands(name, tmp_path):
    if importlib.util.find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not in this environment")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OPENAI_")}
    with ModelServer(said) as server:
        done = subprocess.run(
            [sys.executable, str(EXAMPLES / name / "main.py")],
            cwd=tmp_path,
            env={**kept, "OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": "x"},
            capture_output=True,
            text=True,
            timeout=80,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == EXPECTED[name]


@pytest.mark.parametrize("name", EXPECTED)
def test_an_examples_topology_is_valid(name):
    assert load(EXAMPLES / name / "topology.yaml").supervision.children
