"""What `civitas run --reload` runs first: tries out the code of a topology, and prints which modules that imported."""

from __future__ import annotations

import json
import site
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from civitas.cli.failures import guarded
from civitas.cli.options import changes_of
from civitas.cli.validating import validate_process, validate_topology

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Try out the topology that the first argument names, with the options of `civitas run` behind it.

    Returns:
        The exit code: 0 with a list of paths, as JSON, in the last line of stdout; 1 with what is wrong on stderr.
    """
    file, *options = arguments
    sets = [each.removeprefix("--set=") for each in options if each.startswith("--set=")]
    changes = changes_of(sets)
    process = next((each for each in options if each.startswith("--process=")), "")
    verbose = "--verbose" in options

    def try_out() -> int:
        if process:
            validate_process(Path(file), process.removeprefix("--process="), changes)
            return 0
        return validate_topology(Path(file), changes, imports=True, verbose=verbose)

    code = guarded(try_out, verbose=verbose)
    if code == 0:
        print(json.dumps(list(_own_modules())))
    return code


def _own_modules() -> Iterator[str]:
    """The files of what is imported, but for what belongs to Python or is installed."""
    paths = sysconfig.get_paths()
    installed = {paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    installed |= {*site.getsitepackages(), str(Path(__file__).parents[1])}
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if isinstance(file, str) and not any(file.startswith(each) for each in installed):
            yield file


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
