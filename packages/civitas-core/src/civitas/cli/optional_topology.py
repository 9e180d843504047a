"""Command lines that leave something out: the group of a command, or a topology, which is `topology.yaml` here then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from typer.core import TyperCommand, TyperGroup

from civitas.cli.options import HERE

__all__ = ["GroupedCommands", "OptionalTopology"]


class GroupedCommands(TyperGroup):
    """Commands, some of them in groups: whoever leaves the group out is told which it is."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that `args` begin with."""
        word = args[0]
        if self.get_command(ctx, word) is None:
            inside = [
                f"{name} {word}"
                for name, group in self.commands.items()
                if word in getattr(group, "commands", ())
            ]
            if inside:
                ctx.fail(f"No such command {word!r}. Did you mean {', '.join(map(repr, inside))}?")
        return super().resolve_command(ctx, args)


class OptionalTopology(TyperCommand):
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
