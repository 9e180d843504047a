"""From a plain function, which runs in a thread, to what awaits: for savers and stores that a graph calls there."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from civitas.errors import ConfigurationError
from civitas.process import current_agent

__all__ = ["wait_for"]

_Result = TypeVar("_Result")


def wait_for(coroutine: Coroutine[Any, Any, _Result], instead: str) -> _Result:
    """What `coroutine` returns, run in the event loop of the agent whose code waits here.

    Args:
        coroutine: What to run.
        instead: What to write where this cannot be.

    Raises:
        ConfigurationError: It would block an event loop, or no agent's code runs here.
    """
    agent = current_agent.get(None)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        if agent is not None:
            return agent.run(coroutine)
        problem = "outside of an agent there is nothing to wait with"
    else:
        problem = "in a coroutine this would block the event loop that it waits for"
    coroutine.close()
    raise ConfigurationError(f"{problem}; {instead}")
