"""A scripted model in place of a real one, for as long as the environment names none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from civitas.demo.model_server import ModelServer, Script

__all__ = ["environment", "scripted_openai"]


@contextmanager
def scripted_openai(script: Script, *, latency: float = 0.0) -> Iterator[ModelServer | None]:
    """Point the clients of OpenAI's API at a scripted model, unless the environment leads them to a real one.

    It sets `OPENAI_BASE_URL` and `OPENAI_API_KEY` for the `with` block, so make the clients in it.

    Args:
        script: As for `ModelServer`.
        latency: Seconds before each answer.

    Yields:
        The scripted model; None if `OPENAI_API_KEY` or `OPENAI_BASE_URL` is set already.
    """
    if os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL"):
        # The clients insist on a key, and an endpoint of one's own need not.
        with environment(OPENAI_API_KEY=os.environ.get("OPENAI_API_KEY") or "none"):
            yield None
        return
    with (
        ModelServer(script, latency=latency) as server,
        environment(OPENAI_BASE_URL=server.url, OPENAI_API_KEY="scripted"),
    ):
        yield server


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set these variables of the environment for the `with` block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
