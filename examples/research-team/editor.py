"""The editor, in the root's process: it divides the work and puts the answer together."""

import os
from typing import Any

from civitas import AgentProcess, Message

MODEL = os.environ.get("OPENAI_MODEL", "gpt-4o-mini")


class Editor(AgentProcess):
    """Answers a question with the help of the others."""

    async def handle(self, message: Message) -> Message:
        question = message.payload["question"]
        titles = (await self.of("library", {"source": "index.txt"})).payload
        sources = await self.step("choose", self.choose, question, titles)
        findings = await self.of("researcher", {"question": question, "sources": sources})
        return self.reply({"answer": findings.payload, "sources": sources})

    async def of(self, colleague: str, work: dict[str, Any]) -> Message:
        """Ask by a name that is the same after a crash, so that the work goes on."""
        name = self.idempotency_key(colleague)
        return await self.ask(colleague, work, run=name, timeout=None)

    async def choose(self, question: str, titles: str) -> list[str]:
        assert self.llm is not None
        asked = f"{question}\n\nWhich of these files may help? Name them, one a line.\n\n{titles}"
        answer = await self.llm.chat(MODEL, [{"role": "user", "content": asked}])
        known = titles.split()
        return [line.strip() for line in answer.content.splitlines() if line.strip() in known]
