"""The contexts of the `nats` command: files that say how to reach a server."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from civitas.errors import ConfigurationError
from civitas.errors.hints import did_you_mean

__all__ = ["load_context"]

_FOLDER = Path("nats", "context")
_TLS = ("ca", "cert", "key")
_AS_HERE = {"user": "user", "password": "password", "token": "token"}
_FILES = {"creds": "credentials", "nkey": "nkey"}
_UNUSABLE = ("nsc", "socks_proxy", "user_jwt", "inbox_prefix", "tls_first")
"""Without what these say the server would not let anybody in, and we cannot do it."""


def load_context(name: str) -> dict[str, Any]:
    """Read the context `name`.

    Returns:
        The same as keys of a topology; its paths are absolute.

    Raises:
        ConfigurationError: There is none of that name, it is not a context, or it says what Civitas cannot do.
    """
    file = _folder() / f"{name}.json"
    if Path(name).name != name:
        raise ConfigurationError(f"nats: {name!r} is not the name of a context")
    try:
        found = json.loads(file.read_text())
    except FileNotFoundError as error:
        raise ConfigurationError(f"nats: there is no context {name!r}{_others(name)}") from error
    except OSError as error:
        raise ConfigurationError(f"nats: cannot read {file}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigurationError(f"nats: {file} is not JSON") from error
    if not isinstance(found, dict) or not all(
        isinstance(found.get(key, ""), str) for key in ("url", *_AS_HERE, *_FILES, *_TLS)
    ):
        raise ConfigurationError(f"nats: {file} is not a context of the nats command")
    for key in _UNUSABLE:
        if found.get(key):
            raise ConfigurationError(
                f"nats: the context {name!r} says {key!r}, which Civitas cannot use; "
                "put the servers and the login in the topology instead"
            )
    given: dict[str, Any] = {ours: found[key] for key, ours in _AS_HERE.items() if found.get(key)}
    given |= {ours: _path(found[key]) for key, ours in _FILES.items() if found.get(key)}
    if tls := {key: _path(found[key]) for key in _TLS if found.get(key)}:
        given["tls"] = tls
    if servers := [each.strip() for each in found.get("url", "").split(",") if each.strip()]:
        given["servers"] = [each if "://" in each else f"nats://{each}" for each in servers]
    return given


def _folder() -> Path:
    home = os.environ.get("XDG_CONFIG_HOME")
    return (Path(home) if home else Path.home() / ".config") / _FOLDER


def _others(name: str) -> str:
    known = sorted(each.stem for each in _folder().glob("*.json"))
    hint = did_you_mean(name, known) or f" in {_folder()}."
    return f"{hint} There are: {', '.join(known) or 'none'}"


def _path(text: str) -> str:
    return os.path.expandvars(Path(text).expanduser())
