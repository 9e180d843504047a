"""Interpreters that samples and examples are forked from."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from civitas.demo.model_server import ModelServer
from tests.docs.forking import Samples
from tests.nats_server import NatsServer

CORE = ["civitas.runtime", "civitas.topology"]
HEAVY = [
    *("agents", "crewai", "langchain_openai", "langgraph.graph", "opentelemetry.sdk.trace"),
    "pydantic_ai",
]


@pytest.fixture(scope="package")
def interpreters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[bool, Samples]]:
    """Interpreters to run samples: with all frameworks that are here, and with none of them.

    There is a scripted model for samples that have a real model's client, and a NATS server.
    """
    folder = tmp_path_factory.mktemp("nats")
    broker = NatsServer(
        folder, f"jetstream {{store_dir: {json.dumps(str(folder / 'js'))}}}"
    ).start()
    try:
        with ModelServer(lambda _: "A scripted answer.") as model:
            keys = {
                "OPENAI_BASE_URL": model.url,
                "OPENAI_API_KEY": "scripted",
                "NATS_URL": broker.url,
            }
            with Samples(*CORE, *HEAVY, **keys) as every, Samples(*CORE, **keys) as none:
                yield {True: every, False: none}
    finally:
        broker.close()
