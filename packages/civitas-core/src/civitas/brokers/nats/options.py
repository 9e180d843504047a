"""What is said in a topology of how to reach a NATS server, and the connection that comes of it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from civitas.brokers.nats.context import load_context
from civitas.errors import ConfigurationError
from civitas.errors.hints import did_you_mean

__all__ = ["OPTIONS", "NatsOptions", "option_problems"]

OPTIONS: Mapping[str, str] = {
    "servers": "URLs of the servers: nats://HOST:PORT, or tls://HOST:PORT.",
    "context": "Name of a context of the nats command, instead of all the others.",
    "user": "With password.",
    "password": "With user.",
    "token": "Instead of user and password.",
    "nkey": "A file with the seed of a user.",
    "credentials": "A file with the JWT and the seed of a user.",
    "tls": "A mapping of files: ca, cert, key.",
}
"""The keys by which a server is reached, and what each is for."""

_TLS = ("ca", "cert", "key")
_PROVE = ("user", "token", "nkey", "credentials")
_SCHEMES = ("nats", "tls")


@dataclass(frozen=True, slots=True, kw_only=True)
class NatsOptions:
    """How to reach a NATS server, and how to show who one is.

    Attributes:
        servers: Their URLs; those of one cluster.
        user: Of a user with a password.
        password: Likewise.
        token: Instead of both.
        nkey: The file with the seed of a user.
        credentials: The file with the JWT and the seed of a user.
        tls: Whether there are files for TLS, or it is wanted without.
        ca: The file with the certificates to trust; those of the system by default.
        cert: The file with the certificate of this client.
        key: The file with the key that belongs to it.
    """

    servers: tuple[str, ...] = field(default=("nats://127.0.0.1:4222",), repr=False)
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    nkey: Path | None = None
    credentials: Path | None = None
    tls: bool = False
    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None

    @classmethod
    def of(cls, given: Mapping[str, Any], folder: Path | None = None) -> Self:
        """Read them.

        Args:
            given: Some of the keys of `OPTIONS`, with their values; other keys are passed over.
            folder: What relative paths are relative to; the working folder by default.

        Raises:
            ConfigurationError: `option_problems` finds something, or the context cannot be used.
        """
        for _, text in option_problems(given):
            raise ConfigurationError(text)
        if "context" in given:
            name, folder = given["context"], None
            given = load_context(name)
            for _, text in option_problems(given):
                raise ConfigurationError(f"context {name!r}: {text}")
        servers = given.get("servers", cls().servers)
        tls = given.get("tls")

        def file(value: str | None) -> Path | None:
            if value is None:
                return None
            path = Path(value).expanduser()
            return path if folder is None else folder / path

        return cls(
            servers=(servers,) if isinstance(servers, str) else tuple(servers),
            user=given.get("user"),
            password=given.get("password"),
            token=given.get("token"),
            nkey=file(given.get("nkey")),
            credentials=file(given.get("credentials")),
            tls=tls is not None,
            **{name: file((tls or {}).get(name)) for name in _TLS},
        )

    @property
    def where(self) -> str:
        """The servers, for people: without a password that stands in a URL."""
        return ", ".join(_shown(server) for server in self.servers)

    def keywords(self) -> dict[str, Any]:
        """What `nats.connect` takes of this.

        Raises:
            ConfigurationError: nats-py is not installed, or a file cannot be used.
        """
        need_nats(signs=bool(self.nkey or self.credentials))
        for file in (self.nkey, self.credentials, self.ca, self.cert, self.key):
            if file is not None:
                _check_readable(file)
        found: dict[str, Any] = {
            "servers": list(self.servers),
            "user": self.user,
            "password": self.password,
            "token": self.token,
            "nkeys_seed": None if self.nkey is None else str(self.nkey),
            "user_credentials": None if self.credentials is None else str(self.credentials),
            "tls": self._tls_context() if self.tls else None,
        }
        return {key: value for key, value in found.items() if value is not None}

    def _tls_context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.cert is not None:
                context.load_cert_chain(self.cert, self.key)
        except ssl.SSLError as error:
            raise ConfigurationError(
                f"nats: the files of tls cannot be used: {error.reason or error}"
            ) from error
        return context


def option_problems(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is wrong with the values: the key, and what to write there. Opens nothing, and tells no secret."""
    for key in ("user", "password", "token", "nkey", "credentials", "context"):
        value = given.get(key, "x")
        if not isinstance(value, str) or not value:
            yield key, f"nats: {key!r} must be text that is not empty; got {type(value).__name__}"
    yield from _servers(given)
    yield from _tls(given)
    if "context" in given:
        for key in OPTIONS:
            if key in given and key != "context":
                yield (
                    key,
                    f"nats: a context says how to reach the server; leave out {key!r}, or 'context'",
                )
    elif len(proofs := [key for key in _PROVE if key in given]) > 1:
        yield (
            proofs[1],
            f"nats: {' and '.join(map(repr, proofs))} are different ways to log in; keep one",
        )
    for key, other in (("user", "password"), ("password", "user")):
        if key in given and other not in given:
            yield key, f"nats: {key!r} needs {other!r} beside it"


def need_nats(*, signs: bool = False) -> None:
    """Import nats-py.

    Args:
        signs: Whether a nonce of the server is to be signed, for `nkey` and `credentials`.

    Raises:
        ConfigurationError: It is not installed.
    """
    try:
        import nats  # noqa: F401

        if signs:
            import nkeys  # noqa: F401
    except ImportError as error:
        raise ConfigurationError("NATS needs nats-py: pip install 'civitas-core[nats]'") from error


def _servers(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "servers" not in given:
        return
    servers = given["servers"]
    found = [servers] if isinstance(servers, str) else servers
    if not isinstance(found, (list, tuple)) or not found:
        yield "servers", "nats: 'servers' must be a list of URLs, such as [nats://127.0.0.1:4222]"
        return
    for server in found:
        if not isinstance(server, str) or not _is_server(server):
            shown = _shown(server) if isinstance(server, str) else type(server).__name__
            yield (
                "servers",
                f"nats: a server must be nats://HOST:PORT or tls://HOST:PORT; got {shown}",
            )


def _tls(given: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "tls" not in given:
        return
    tls = given["tls"]
    if not isinstance(tls, Mapping):
        yield (
            "tls",
            f"nats: 'tls' must be a mapping of files, {{ca: FILE, cert: FILE, key: FILE}}; got {tls!r}",
        )
        return
    for key, value in tls.items():
        if key not in _TLS:
            yield "tls", f"nats: tls takes {', '.join(_TLS)}; got {key!r}{did_you_mean(key, _TLS)}"
        elif not isinstance(value, str) or not value:
            yield "tls", f"nats: tls: {key!r} must be a file; got {value!r}"
    if "key" in tls and "cert" not in tls:
        yield "tls", "nats: tls: 'key' needs 'cert' beside it"


def _is_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in _SCHEMES and bool(parts.hostname) and parts.path in ("", "/")


def _shown(url: str) -> str:
    """A URL without what stands before its host."""
    scheme, sign, rest = url.rpartition("://")
    return f"{scheme}{sign}{rest.rpartition('@')[2]}"


def _check_readable(file: Path) -> None:
    try:
        file.open("rb").close()
    except OSError as error:
        raise ConfigurationError(f"nats: cannot read {file}: {error.strerror}") from error
