"""The fixtures `runtime` and `probe`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from civitas.process import AgentProcess
    from civitas.runtime import Runtime
    from civitas.supervision import Supervisor
    from civitas.testing.probe import Probe

__all__ = ["probe", "runtime"]


@pytest_asyncio.fixture
async def runtime() -> AsyncIterator[Callable[..., Awaitable[Runtime]]]:
    """Start runtimes that are stopped when the test ends.

    ``system = await runtime([Counter("counter")])``: the factory takes a list of children, one child, or a whole
    `Supervisor`, and the keywords of `Runtime`.
    """
    from civitas.runtime import Runtime
    from civitas.supervision import Supervisor

    started: list[Runtime] = []

    async def start(
        children: Supervisor | AgentProcess | Iterable[AgentProcess | Supervisor],
        **keywords: Any,
    ) -> Runtime:
        if not isinstance(children, Supervisor):
            several = list(children) if isinstance(children, Iterable) else [children]
            children = Supervisor("root", several)
        system = Runtime(children, **keywords)
        await system.start()
        started.append(system)
        return system

    yield start
    for system in reversed(started):
        await system.stop()


@pytest.fixture
def probe() -> Probe:
    """A fresh `Probe`."""
    from civitas.testing.probe import Probe

    return Probe()
