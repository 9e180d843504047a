"""`Source`: where a topology comes from, and its plain data."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from civitas.errors import TopologyError
from civitas.errors.hints import did_you_mean
from civitas.topology.positions import Path, Position
from civitas.topology.problems import Problem
from civitas.topology.variables import BadVariable, Variables

__all__ = ["Source", "read", "show", "spell"]

_MAX_BYTES = 10_000_000  # a wrong file, such as a database, is refused before it is parsed


@dataclass(frozen=True, slots=True)
class Source:
    """Where a topology comes from.

    Attributes:
        file: Path of the file as it was given; None for a dict.
        folder: What relative paths and modules are looked up from; None for a dict.
        data: Its plain data, variables replaced.
        places: The position of each key and value of `data`.
        changed: What of `data` the command line says, and not the file.
    """

    file: str | None
    folder: FilePath | None
    data: Any = field(repr=False)
    places: Mapping[Path, Position] = field(repr=False)
    changed: tuple[Path, ...] = ()

    def problem(self, path: Path, text: str, *, at_key: bool = True) -> Problem:
        """A problem with what is at `path`, with its line, or its path if there are no lines.

        Args:
            path: Where; the nearest place above it when it is not in the file.
            text: What is wrong.
            at_key: Whether the line is that of the key, and not of the value.
        """
        if any(path[: len(each)] == each for each in self.changed):
            return Problem(f"--set {spell(path)}: {text}")
        if self.file is None:
            where = spell(path)
            return Problem(f"{where}: {text}" if where else text)
        while path not in self.places and path:
            path = path[:-1]
        place = self.places.get(path, Position(1, 1))
        return Problem(text, place.key if at_key else place.value)


def spell(path: Path) -> str:
    """`supervision.children[0].agent`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}"
    return text.removeprefix(".")


def show(value: Any) -> str:
    """`value` in an error, as it would be in a file, and short."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def read(
    config: str | FilePath | Mapping[str, Any],
    only: Collection[str] | None = None,
    variables: Variables | None = None,
) -> Source:
    """Read a topology's plain data.

    Args:
        config: Path of a file, or a mapping.
        only: The keys at the top below which a file's variables are replaced; all when None.
        variables: What they stand for; what the environment says by default.
    Raises:
        TopologyError: It cannot be read, or is not a mapping.
    """
    variables = variables or Variables()
    if isinstance(config, Mapping):
        try:
            return Source(None, None, _plain(config, variables, ()), {})
        except RecursionError:
            raise TopologyError("the dict is nested too deeply, or contains itself") from None
    if not isinstance(config, (str, FilePath)):
        raise TopologyError(
            f"a topology must be the path of a YAML file, or a dict; got {type(config).__name__}"
        )
    from civitas.topology.yaml_reader import YamlProblem, read_yaml

    file = str(config) or "."
    text = _text(FilePath(config), file)
    try:
        data, places = read_yaml(text, variables, only)
    except YamlProblem as problem:
        raise TopologyError(problem.problem, file=file, line=problem.line) from None
    if data is None:
        raise TopologyError(f"the file is empty; {_SMALLEST}", file=file)
    if not isinstance(data, dict):
        kind = "a list" if isinstance(data, list) else "a single value"
        line = places[()].value
        raise TopologyError(
            f"a topology must be a mapping, not {kind}; {_SMALLEST}", file=file, line=line
        )
    return Source(file, FilePath(config).resolve().parent, data, places)


def _plain(value: Any, variables: Variables, path: Path) -> Any:
    """`value` as if it had been read from YAML; what YAML does not know stays the object it is."""
    if isinstance(value, Mapping):
        return {key: _plain(each, variables, (*path, key)) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each, variables, (*path, i)) for i, each in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value
    from civitas.topology.yaml_reader import plain_scalar

    try:
        return plain_scalar(variables.substitute(value))
    except BadVariable as problem:
        raise TopologyError(f"{spell(path)}: {problem}") from None


_SMALLEST = (
    "it needs at least `supervision:` with `children:`; `civitas init DIR` writes an example"
)


def _text(path: FilePath, file: str) -> str:
    try:
        if path.is_dir():
            inside = path / "topology.yaml"
            hint = f"; did you mean {str(inside)!r}?" if inside.is_file() else ""
            raise TopologyError(f"is a folder, not a topology file{hint}", file=file)
        with path.open("rb") as stream:
            raw = stream.read(_MAX_BYTES + 1)
    except FileNotFoundError:
        raise TopologyError(_missing(path), file=file) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TopologyError(f"cannot be read: {reason}", file=file) from None
    if len(raw) > _MAX_BYTES:
        raise TopologyError(f"is larger than {_MAX_BYTES:,} bytes; is it a topology?", file=file)
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise TopologyError(
            f"is not UTF-8 text (byte 0x{raw[error.start]:02x}); save it as UTF-8",
            file=file,
            line=line,
        ) from None


def _missing(path: FilePath) -> str:
    try:
        beside = [str(each) for each in path.parent.iterdir() if each.suffix in (".yaml", ".yml")]
    except OSError:
        return f"there is no folder {str(path.parent)!r}"
    return f"there is no such file{did_you_mean(path, beside)}"
