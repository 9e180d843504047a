"""What `civitas run --reload` runs first: tries out the code of a topology, and reports which modules that imported."""

from __future__ import annotations

import json
import os
import site
import sys
import sysconfig
from collections.abc import Collection, Iterator
from contextlib import suppress
from importlib.util import source_from_cache
from pathlib import Path
from typing import Any

from civitas.cli.failures import guarded
from civitas.cli.options import changes_of
from civitas.cli.validating import validate_process, validate_topology

__all__ = ["main"]


def main(arguments: list[str], opened: Collection[str] = ()) -> int:
    """Try out a topology: the arguments are a file for the report, the topology, and the options of `civitas run`.

    Its OS processes are tried out too, each by its own interpreter.

    Args:
        arguments: As said above.
        opened: Gets the files of the modules that are read.
    Returns:
        The exit code; if it is not 0, what is wrong is on stderr.
    """
    report, file, *options = arguments
    sets = [each.removeprefix("--set=") for each in options if each.startswith("--set=")]
    changes = changes_of(sets)
    process = next((each for each in options if each.startswith("--process=")), "")
    verbose = "--verbose" in options

    def try_out() -> int:
        if process:
            validate_process(Path(file), process.removeprefix("--process="), changes)
            return 0
        return validate_topology(
            Path(file), changes, imports=True, verbose=verbose, trial=trial_of_process
        )

    def trial_of_process(name: str) -> list[str]:
        further = [each for each in options if not each.startswith("--process=")]
        whole = str(Path(file).resolve())
        return ["-m", "civitas.cli.trying_out", report, whole, f"--process={name}", *further]

    try:
        return guarded(try_out, verbose=verbose)
    finally:
        with Path(report).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(sorted(_own_modules(opened))) + "\n")


def _note(opened: set[str], event: str, about: tuple[Any, ...]) -> None:
    """Note a module that is read, also one that cannot be imported and is not in `sys.modules`."""
    if event == "open" and isinstance(about[0], str) and about[0].endswith((".py", ".pyc")):
        opened.add(about[0])


def _own_modules(opened: Collection[str]) -> Iterator[str]:
    """The files of what is imported, but for what belongs to Python or is installed."""
    paths = sysconfig.get_paths()
    installed = {paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    installed |= {*site.getsitepackages(), str(Path(__file__).parents[1])}
    left_out = tuple(each + os.sep for each in installed)
    files: set[str | None] = {
        getattr(module, "__file__", None) for module in list(sys.modules.values())
    }
    for name in opened:
        with suppress(ValueError):  # a .pyc beside nothing
            files.add(source_from_cache(name) if name.endswith(".pyc") else name)
    for file in files:
        if isinstance(file, str) and not file.startswith(left_out):
            yield str(Path(file).absolute())


if __name__ == "__main__":
    read: set[str] = set()
    sys.addaudithook(lambda event, about: _note(read, event, about))
    sys.exit(main(sys.argv[1:], read))
