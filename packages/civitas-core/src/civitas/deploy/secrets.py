"""What of a topology is secret, or comes from outside of it: environment variables, and files beside it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from civitas.topology.grammar import SECRET_KEYS
from civitas.topology.positions import Path
from civitas.topology.source import Source
from civitas.topology.variables import named_variables

__all__ = [
    "SECRET_FILES",
    "SecretFile",
    "Variable",
    "sole_variable",
    "variables_of",
    "written_out",
]

SECRET_FILES = ("nkey", "credentials", "keys")
"""Keys that name a file with a secret."""

_HOLD_NO_ARGUMENTS = ("transport", "state", "edge", "model", "tools")
"""The keys at the top below which a key of such a name is what it is called: agents may mean something else by one."""


_WITH_A_TOKEN = ("nats", "tls", "ws", "wss")
"""What stands alone before the `@` of such a URL is a token and no user."""


@dataclass(frozen=True)
class Variable:
    """An environment variable that a topology names.

    Attributes:
        name: Its name.
        required: Whether it has no default somewhere.
    """

    name: str
    required: bool


@dataclass(frozen=True)
class SecretFile:
    """A file with a secret.

    Attributes:
        path: As the topology names it.
    """

    path: str

    @property
    def variable(self) -> str:
        """The variable that says where it is; empty if the topology does."""
        return sole_variable(self.path)

    @property
    def there(self) -> str:
        """Where the processes of a container find it."""
        if self.variable:
            return f"/run/secrets/{self.variable}"
        return posixpath.normpath(posixpath.join("/app", self.path))

    @property
    def key(self) -> str:
        """A name for it among the secrets."""
        return self.variable or re.sub(r"[^a-zA-Z0-9._-]+", "-", self.path).strip("-.")

    @property
    def unfit(self) -> bool:
        """Whether it cannot be found from here: its path is that of a home, or only its environment knows all of it."""
        return not self.variable and (self.path.startswith("~") or bool(named_variables(self.path)))


def variables_of(said: Source) -> list[Variable]:
    """The variables of a topology, in the order of the file.

    Args:
        said: The topology as it is written.
    """
    found: dict[str, bool] = {}
    for _, text in _texts(said.data, ()):
        for name, has_default in named_variables(text):
            found[name] = found.get(name, False) or not has_default
    return [Variable(name, required) for name, required in found.items()]


def sole_variable(value: Any) -> str:
    """The variable that a value is, and nothing else; empty if it is something else."""
    text = value if isinstance(value, str) else ""
    names = named_variables(text)
    alone = (
        text.startswith("${") and text.endswith("}") and len(names) == 1 and text.count("}") == 1
    )
    return names[0][0] if alone else ""


def written_out(said: Source) -> list[Path]:
    """Where a secret is written in the file itself."""
    return [
        path
        for path, text in _texts(said.data, ())
        if path
        and path[0] in _HOLD_NO_ARGUMENTS
        and (
            (str(path[-1]) in SECRET_KEYS and text and not named_variables(text))
            or _has_login(text)
        )
    ]


def _has_login(text: str) -> bool:
    """Whether it is a URL with a password, or a token for NATS, that is written out."""
    scheme, sign, rest = text.partition("://")
    login, at, _ = rest.partition("@")
    user, colon, password = login.partition(":")
    if not colon and scheme in _WITH_A_TOKEN:
        password = user
    return bool(sign and at and password) and not named_variables(password)


def _texts(value: Any, path: Path) -> Iterator[tuple[Path, str]]:
    """Every text in there, keys too."""
    if isinstance(value, dict):
        for key, each in value.items():
            if isinstance(key, str) and named_variables(key):
                yield (*path, key), key
            yield from _texts(each, (*path, key))
    elif isinstance(value, list):
        for i, each in enumerate(value):
            yield from _texts(each, (*path, i))
    elif isinstance(value, str):
        yield path, value
