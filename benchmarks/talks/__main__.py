"""One contestant in a process of its own, which makes a turn for each line of the standard input, many at once."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from pathlib import Path

from benchmarks.talks import TALKS

_LONGEST = 1 << 20  # bytes of a line


async def _serve(framework: str, who: str, folder: Path) -> None:
    lines = asyncio.StreamReader(_LONGEST)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    async with TALKS[framework][who]["turns"](folder, 1) as talking, asyncio.TaskGroup() as group:

        async def turn(number: int, conversation: str, said: str) -> None:
            await talking.turn(conversation, said)
            print(number, flush=True)

        while line := await lines.readline():
            group.create_task(turn(*json.loads(line)))


if __name__ == "__main__":
    logging.disable(logging.CRITICAL)
    asyncio.run(_serve(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
