"""What runs beside a method of a flow that asks a human."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import Any

import pytest
from crewai.flow.flow import Flow, listen, start

from civitas.frameworks import wrap
from civitas.testing import SuiteModel
from tests.core.frameworks.support import running
from tests.crewai.crews import clerk, crew_of, task

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # CrewAI warns of itself
    pytest.mark.usefixtures("lancedb"),
]


class Beside(Flow[dict[str, Any]]):
    """Asks, in one way or another, while two methods are at work."""

    suppress_flow_events: bool = True
    how: str = ""
    called: Any = None
    asking: Any = None
    model: Any = None

    @start()
    async def asks(self) -> str:
        if self.how == "in a crew":
            write = task(clerk(self.model), "write", human_input=True)
            asyncio.get_running_loop().call_soon(self.asking.set)
            made: Any = await crew_of(write).akickoff()
            return str(made.raw)
        asyncio.get_running_loop().call_soon(self.asking.set)
        return str(self.ask("what?", timeout=5 if self.how == "in time" else None))

    @start()
    def asks_in_a_thread(self) -> str:
        self.asking.wait(10)
        return str(self.ask("who?"))

    @start()
    def pays(self) -> str:
        self.asking.wait(10)
        self.called["pays"] += 1
        return "paid"

    @start()
    async def pays_too(self) -> str:
        await asyncio.to_thread(self.asking.wait, 10)
        self.called["pays too"] += 1
        return "paid"

    @listen(pays)
    def thanks(self) -> str:
        self.called["thanks"] += 1
        return "thanks"


@pytest.mark.promise(id="SEM-1858")
@pytest.mark.parametrize("durable", [False, True])
@pytest.mark.parametrize("how", ["at once", "in time", "in a crew"])
async def test_what_runs_beside_a_method_that_asks_is_finished_and_done_once(how, durable):
    called: Counter[str] = Counter()
    asking, model = threading.Event(), SuiteModel("draft")
    make = lambda: Beside(how=how, called=called, asking=asking, model=model)  # noqa: E731
    async with running(wrap(make, name="f", durable=durable)) as runtime:
        asked = await runtime.ask("f", {}, conversation="c")
        questions = [each["id"] for each in asked.payload["interrupts"]]
        assert len(questions) == 2
        assert (called["pays"], called["pays too"]) == (1, 1)
        for each in questions:
            payload = {"value": "" if "crew" in each else "x", "id": each}
            asked = await runtime.ask("f", payload, "resume", conversation="c")
    assert asked.type == "reply"
    assert called == {"pays": 1, "pays too": 1, "thanks": 1}
