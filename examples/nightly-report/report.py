"""A report that is written every night, once, however often the program is killed."""

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from civitas import AgentProcess, Message

MODEL = os.environ.get("OPENAI_MODEL", "gpt-4o-mini")


class Report(AgentProcess):
    """Writes what happened the day before into a file.

    Args:
        name: Of the agent.
        folder: Where the reports go.
        **keywords: Of `AgentProcess`.
    """

    def __init__(self, name: str, folder: str, **keywords: Any) -> None:
        super().__init__(name, **keywords)
        self.folder = Path(folder)

    async def handle(self, message: Message) -> None:
        due: datetime = message.payload["due"]
        day = f"{due - timedelta(days=1):%Y-%m-%d}"
        # Each step is recorded: after a kill, the next incarnation goes on behind the last one.
        sales = await self.step("look up", self.look_up, day)
        text = await self.step("write", self.write, day, sales)
        await self.step("file", self.file, day, text)

    async def look_up(self, day: str) -> dict[str, int]:
        return {"kettles": int(day[-2:]), "toasters": 2 * int(day[-2:])}  # from your database

    async def write(self, day: str, sales: dict[str, int]) -> str:
        assert self.llm is not None
        facts = ", ".join(f"{number} {article}" for article, number in sales.items())
        asked = f"Write one sentence about the sales of {day}: {facts}"
        return (await self.llm.chat(MODEL, [{"role": "user", "content": asked}])).content

    def file(self, day: str, text: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / f"{day}.part"
        unfinished.write_text(f"{text}\n")
        unfinished.replace(self.folder / f"{day}.md")
