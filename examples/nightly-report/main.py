"""Four nights in a second: the clock is turned by hand, and the program is down for two of them."""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from model import say

from civitas import Runtime
from civitas.testing import ManualClock, scripted_openai

NIGHT = 86400
TOPOLOGY = Path(__file__).with_name("topology.yaml")


def written() -> list[Path]:
    return sorted(Path(os.environ["DATA"], "reports").glob("*.md"))


async def run_until(clock: ManualClock, number: int) -> None:
    """Run the system until this many reports are there."""
    async with Runtime.from_config(TOPOLOGY, clock=clock):
        clock.advance(NIGHT)
        while len(written()) < number:
            await asyncio.sleep(0.01)
    print(f"{datetime.fromtimestamp(clock.now(), UTC):%d %B}: {number} report(s)")


async def main() -> None:
    clock = ManualClock(datetime(2027, 1, 15, 12, tzinfo=UTC).timestamp())
    await run_until(clock, 1)
    clock.advance(2 * NIGHT)  # nobody is there
    await run_until(clock, 4)
    for report in written():
        print(f"{report.name}: {report.read_text().strip()}")


if __name__ == "__main__":
    with scripted_openai(say), TemporaryDirectory() as folder:
        os.environ["DATA"] = folder
        asyncio.run(main())
