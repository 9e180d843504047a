"""The agent that puts the demo's team to work."""

from __future__ import annotations

import logging

from civitas.errors import HandlerFailed
from civitas.message import Message
from civitas.process import AgentProcess

__all__ = ["Coordinator"]

logger = logging.getLogger("civitas.demo")


class Coordinator(AgentProcess):
    """Takes `{"task": text}` to the planner, the questions to the researcher, and what came back to the writer.

    Replies `{"answer": text}`, or `{"failed": text}` where one of them failed for good.
    """

    async def handle(self, message: Message) -> Message:
        """Answer a task."""
        try:
            return self.reply({"answer": await self._answer(message.payload["task"])})
        except HandlerFailed as error:
            # Theirs, not ours: they are restarted, and there is nothing here that a restart would fix.
            failed = f"{error.agent} failed: {error.error_type}: {error.error_message}"
            return self.reply({"failed": failed})

    async def _answer(self, task: str) -> str:
        plan = await self.ask("planner", {"task": task})
        questions = plan.payload["questions"]
        _tell("planner", "\n".join(questions))
        notes = []
        for question in questions:
            found = await self.ask("researcher", {"input": question})
            notes.append(found.payload["output"])
            _tell("researcher", notes[-1])
        written = await self.ask("writer", {"task": task, "notes": "\n".join(notes)}, timeout=120)
        for done in written.payload["tasks"]:
            _tell("writer", f"{done['name']}: {len(done['raw'].split())} words")
        answer: str = written.payload["output"]
        return answer


def _tell(who: str, what: str) -> None:
    logger.info("%s: %s", who, what, extra={"who": who, "what": what})
