"""Civitas beside its peers: sets each up, has all do the same work in turn, and writes the tables of docs/peers.md.

Where only some take part or not every work is done, the tables are printed, and the page stays as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.peers import page
from benchmarks.peers.environments import ROOT
from benchmarks.peers.measure import Findings, measure
from benchmarks.peers.registry import OURS, PEERS
from benchmarks.peers.works import WORKS

_PAGE = ROOT / "docs" / "peers.md"


def main() -> int:
    """Measure what was asked for, and return the exit code: 1 if a loss has no sentence that says why."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PEERS, default=list(PEERS), metavar="PEER")
    parser.add_argument("--work", nargs="+", choices=WORKS, default=list(WORKS), metavar="WORK")
    parser.add_argument("--rounds", type=int, default=7, help="of each work (default: 7)")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a round (default: 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure there")
    parser.add_argument(
        "--page",
        type=Path,
        metavar="FILE",
        help="write the tables there (default: docs/peers.md if all was measured, else print them)",
    )
    parser.add_argument(
        "--drawn-from", type=Path, metavar="FILE", help="measure nothing, take what --json wrote"
    )
    arguments = parser.parse_args()
    if arguments.drawn_from:
        data: dict[str, Any] = json.loads(arguments.drawn_from.read_text())
    else:
        data = _measured(arguments)
        if arguments.json:
            arguments.json.write_text(json.dumps(data, indent=1) + "\n")
    found = Findings.of(data["found"])
    where: Path | None = arguments.page or (_PAGE if found.whole else None)
    if where:
        page.write(where, found, data["said"])
    else:
        print(page.tables(found, data["said"]))
    unexplained = page.unexplained(found)
    for each in unexplained:
        print(f"  no sentence says why it does better: {each}", file=sys.stderr)
    done = f"{where} is written" if where else f"a part was measured, {_PAGE.name} stays as it is"
    print(f"bench-peers: {done}, {len(unexplained)} losses without a sentence")
    return 1 if unexplained else 0


def _measured(arguments: argparse.Namespace) -> dict[str, Any]:
    peers = [PEERS[name] for name in PEERS if name in {OURS.name, *arguments.only}]
    works = [work for work in WORKS if work in arguments.work]
    before, started = os.getloadavg()[0], time.monotonic()
    found = measure(peers, works, arguments.rounds, arguments.seconds)
    minutes = (time.monotonic() - started) / 60
    said = (
        f"On {page.machine()}, {arguments.rounds} rounds of {arguments.seconds:g} s of each in turn, "
        f"{minutes:.0f} minutes; other load when it began: {before:.1f}."
    )
    return {"said": said, "found": found.as_data()}


if __name__ == "__main__":
    sys.exit(main())
