#!/bin/bash
# letitloop 0.7.0: durable goals have an id each, and a folder for their write-ahead log. Two goals with ids of their own in
# one folder take each other's steps: where these have the same names, the second goal calls none of its own, and returns
# what the first one found. So give each goal a folder, or each step a name that has the goal's id in it.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check letitloop==0.7.0

cat > look.py <<'PYTHON'
import asyncio
from importlib.metadata import version

from letitloop import async_step, durable_async

called = []


async def find(goal):
    called.append(goal)
    return f"found for {goal}"


async def run(goal):
    @durable_async(goal_id=goal, wal_dir="log")
    async def work():
        return await async_step("find", find, goal)

    return await work()


async def main():
    return [await run("first"), await run("second")]


results = asyncio.run(main())
print("letitloop", version("letitloop"))
print("expected: called for ['first', 'second']; results ['found for first', 'found for second']")
print(f"seen:     called for {called}; results {results}")
raise SystemExit(0 if (called, results) == (["first"], ["found for first"] * 2) else 1)
PYTHON
venv/bin/python look.py
