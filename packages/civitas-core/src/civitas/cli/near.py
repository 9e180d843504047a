"""Commands for which the topology may be left out: then it is `topology.yaml` of this folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.core import TyperCommand

from civitas.cli.options import HERE

__all__ = ["NearTopology"]


class NearTopology(TyperCommand):
    """A command whose first argument, of several, is a topology."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the command line, with the topology in front if it begins with something else."""
        first, *_, last = [param for param in self.params if param.param_type_name == "argument"]
        given, _, _ = self.make_parser(ctx).parse_args(args=list(args))
        is_full = last.nargs == 1 and isinstance(given.get(str(last.name)), str)
        leads = given.get(str(first.name))
        if isinstance(leads, str) and not is_full and not _is_topology(leads):
            args = [str(HERE), *args]
        return super().parse_args(ctx, args)


def _is_topology(text: str) -> bool:
    return Path(text).suffix in {".yaml", ".yml"} or Path(text).is_file()
