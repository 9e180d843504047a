"""A flow whose methods come to points."""

from __future__ import annotations

from crewai.flow.flow import Flow, listen, start
from crewai.flow.human_feedback import human_feedback
from pydantic import BaseModel

from tests.integration.adapters.points import blocking_point


class Found(BaseModel):
    """A state."""

    pages: list[str] = []


class Report(Flow[Found]):
    """Finds, writes, has a human read it, and sends it."""

    @start()
    def find(self) -> str:
        blocking_point("find")
        self.state.pages.append("one")
        return "found"

    @listen(find)
    @human_feedback(message="Is it good?")
    def write(self, found: str) -> str:
        blocking_point("write")
        self.state.pages.append("two")
        return f"{found}, written"

    @listen(write)
    def send(self) -> str:
        blocking_point("send")
        return f"sent {' '.join(self.state.pages)}"
