"""`civitas topology show` and `schema`."""

from __future__ import annotations

import json
from pathlib import Path

from civitas.cli.console import stdout
from civitas.cli.failures import Refused
from civitas.cli.trees import topology_tree
from civitas.topology import load

__all__ = ["show_topology", "write_schema"]


def show_topology(file: Path) -> None:
    """Print the supervision tree of a topology, and what else it says."""
    topology = load(file)
    console = stdout()
    state = topology.state.type if topology.state is not None else "memory"
    console.print(
        f"{topology.name}  transport {topology.transport.type}, state {state}", markup=False
    )
    console.print(topology_tree(topology))
    for name, process in topology.processes.items():
        facts = [f"{key} {value}" for key, value in process.given("env", "start").items()]
        facts += ["started elsewhere"] if not process.start else []
        console.print(f"process {name}  {', '.join(facts)}".rstrip(), markup=False)


def write_schema(output: Path | None) -> None:
    """Write the JSON Schema of topologies.

    Args:
        output: The file; stdout when None.
    Raises:
        Refused: The file cannot be written.
    """
    from civitas.topology.schema import json_schema

    text = json.dumps(json_schema(), indent=2)
    if output is None:
        print(text)
        return
    try:
        output.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise Refused(f"{str(output)!r}: {error.strerror}") from error
    print(f"{output}: written; name it in the first line of a topology:")
    print(f"# yaml-language-server: $schema={output}")
