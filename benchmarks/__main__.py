"""Run the benchmarks, all or those that are named.

Each measures the least code that can do a job and Civitas in turn, round after round, and compares the pairs of a
round. `civitas` is held against `limit`.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from benchmarks import (
    accepted,
    adapters,
    beside_dbos,
    broker,
    budgets,
    durable,
    edge,
    idle,
    imports,
    links,
    messages,
    page,
    restart,
    run_spans,
    tracing,
    workers,
)
from benchmarks.harness import run, use_processor_time
from benchmarks.report import as_data, environment, show

BENCHMARKS = {
    "ask": messages.ASK,
    "send": messages.SEND,
    "crowd": messages.CROWD,
    "restart": restart.RESTART,
    "memory": idle.MEMORY,
    "resident": idle.RESIDENT,
    "start": idle.START,
    "checkpoint": durable.CHECKPOINT,
    "writers": durable.WRITERS,
    "processes": durable.PROCESSES,
    "step": durable.STEP,
    "dbos": beside_dbos.ONE,
    "dbos-16": beside_dbos.SIXTEEN,
    "accepted": accepted.ACCEPTED,
    "accepts": accepted.COMMITS,
    "tracing-off": tracing.OFF,
    "sampled-out": tracing.SAMPLED_OUT,
    "recorded": tracing.RECORDED,
    "measured": tracing.MEASURED,
    "unwatched": tracing.UNWATCHED,
    "link": links.LINK,
    "links": links.LINKS,
    "push": links.PUSH,
    "zmq-ask": workers.ASK,
    "zmq-asks": workers.ASKS,
    "zmq-send": workers.SEND,
    "zmq-stream": workers.STREAM,
    "zmq-accept": workers.ACCEPT,
    "zmq-accepts": workers.ACCEPTS,
    "neighbour": workers.NEIGHBOUR,
    "recovery": workers.RECOVERY,
    "nats-ask": broker.ASK,
    "nats-asks": broker.ASKS,
    "nats-stored": broker.STORED,
    "nats-read": broker.READ,
    "nats-handled": broker.HANDLED,
    "nats-recovery": broker.RECOVERY,
    "edge": edge.ASK,
    "budget": budgets.CHECK,
    "page": page.FIRST,
    "page-update": page.UPDATE,
    "page-unwatched": page.UNWATCHED,
    "import": imports.IMPORT,
    "import-runtime": imports.RUNTIME,
    "help": imports.HELP,
    "graph": adapters.GRAPH,
    "graph-conversation": adapters.GRAPH_CONVERSATION,
    "graph-stream": adapters.GRAPH_STREAM,
    "graph-spans": run_spans.GRAPH,
    "agent": adapters.AGENT,
    "agent-conversation": adapters.AGENT_CONVERSATION,
}
if find_spec("crewai"):
    # Only in the environment that has it; the rest is measured in the other.
    crews = import_module("benchmarks.crews")
    BENCHMARKS = {"crew": crews.CREW, "crew-conversation": crews.CREW_CONVERSATION}


def main() -> int:
    """Measure what was asked for, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(BENCHMARKS)}")
    parser.add_argument("--pairs", type=int, default=7, help="rounds of each (default: 7)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every figure there")
    parser.add_argument(
        "--processor-time",
        action="store_true",
        help="ask, send, crowd, restart, start, import, import-runtime, help: leave out the time other programs took",
    )
    parser.add_argument("--strict", action="store_true", help="exit 1 where one is not reached")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.names if name not in BENCHMARKS]
    if unknown:
        known = ", ".join(BENCHMARKS)
        parser.error(f"no benchmark is called {unknown[0]!r}; there are {known}")
    if arguments.processor_time:
        use_processor_time()
    logging.disable(logging.CRITICAL)  # crashes on purpose are logged, and would be measured

    print(environment(), file=sys.stderr)
    results = {}
    names = arguments.names or list(BENCHMARKS)
    for number, name in enumerate(names, 1):
        print(f"[{number}/{len(names)}] {BENCHMARKS[name].title} ...", file=sys.stderr)
        results[name] = run(BENCHMARKS[name], arguments.pairs)
    show(results)
    if arguments.json:
        arguments.json.write_text(json.dumps(as_data(results), indent=1) + "\n")
    reached = sum(result.reached for result in results.values())
    print(f"bench: {reached} of {len(results)} reach what they must ({environment()})")
    return 1 if arguments.strict and reached < len(results) else 0


if __name__ == "__main__":
    sys.exit(main())
