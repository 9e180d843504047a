"""The editor, in the root's process: it divides the work and puts the answer together."""

import os

from civitas import AgentProcess, Message

MODEL = os.environ.get("OPENAI_MODEL", "gpt-4o-mini")


class Editor(AgentProcess):
    """Answers a question with the help of the others."""

    async def handle(self, message: Message) -> Message:
        question = message.payload["question"]
        titles = (await self.ask("library", {"source": "index.txt"}, run="index.txt")).payload
        sources = await self.step("choose", self.choose, question, titles)
        work = {"question": question, "sources": sources}
        name = self.idempotency_key("findings")  # the same after a crash, so the work goes on
        findings = await self.ask("researcher", work, run=name, timeout=None)
        return self.reply({"answer": findings.payload, "sources": sources})

    async def choose(self, question: str, titles: str) -> list[str]:
        assert self.llm is not None
        asked = f"{question}\n\nWhich of these files may help? Name them, one a line.\n\n{titles}"
        answer = await self.llm.chat(MODEL, [{"role": "user", "content": asked}])
        known = titles.split()
        return [line.strip() for line in answer.content.splitlines() if line.strip() in known]
