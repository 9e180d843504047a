"""The researcher, in a process of its own that may be killed at any moment."""

import os

from civitas import AgentProcess, Message

MODEL = os.environ.get("OPENAI_MODEL", "gpt-4o-mini")


class Researcher(AgentProcess):
    """Reads sources, and says what they have to say to a question."""

    async def handle(self, message: Message) -> Message:
        question, sources = message.payload["question"], message.payload["sources"]
        texts = [await self.read(source) for source in sources]
        return self.reply(await self.step("sum up", self.sum_up, question, texts))

    async def read(self, source: str) -> str:
        # After a kill all of this begins again. The name is the same then, and so is what the library has read.
        name = self.idempotency_key(source)
        text: str = (await self.ask("library", {"source": source}, run=name)).payload
        return text

    async def sum_up(self, question: str, texts: list[str]) -> str:
        assert self.llm is not None
        asked = f"{question}\n\nOne sentence for each of these notes:\n\n" + "\n".join(texts)
        return (await self.llm.chat(MODEL, [{"role": "user", "content": asked}])).content
