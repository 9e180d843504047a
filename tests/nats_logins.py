"""Every way to log in to a NATS server: what its configuration says, and what a client shows."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nkeys

__all__ = ["LOGINS", "Login", "certificates"]


@dataclass(frozen=True)
class Login:
    """A server that lets in those who show something.

    Attributes:
        config: What stands in its configuration.
        options: What a client says that is let in, as keys of a topology.
        wrong: What one says that is not.
        secrets: What no error may show.
    """

    config: str
    options: Mapping[str, Any]
    wrong: Mapping[str, Any]
    secrets: tuple[str, ...] = ()


def password(folder: Path) -> Login:
    return Login(
        'authorization { user: ann, password: "s3cret" }',
        {"user": "ann", "password": "s3cret"},
        {"user": "ann", "password": "wr0ng"},
        ("wr0ng",),
    )


def token(folder: Path) -> Login:
    return Login(
        "authorization { token: s3cret }", {"token": "s3cret"}, {"token": "wr0ng"}, ("wr0ng",)
    )


def nkey(folder: Path) -> Login:
    mine, other = _pair(nkeys.PREFIX_BYTE_USER), _pair(nkeys.PREFIX_BYTE_USER)
    for name, pair in (("mine.nk", mine), ("other.nk", other)):
        (folder / name).write_bytes(bytes(pair.seed))
    return Login(
        f"authorization {{ users: [{{ nkey: {_public(mine)} }}] }}",
        {"nkey": str(folder / "mine.nk")},
        {"nkey": str(folder / "other.nk")},
        (bytes(other.seed).decode(),),
    )


def credentials(folder: Path) -> Login:
    """An operator, its accounts and a user, all known by their JWTs alone, as `nsc` makes them."""
    operator, stranger = _pair(nkeys.PREFIX_BYTE_OPERATOR), _pair(nkeys.PREFIX_BYTE_ACCOUNT)
    account, system = _pair(nkeys.PREFIX_BYTE_ACCOUNT), _pair(nkeys.PREFIX_BYTE_ACCOUNT)
    users = [_pair(nkeys.PREFIX_BYTE_USER) for _ in range(2)]
    for name, user, signer in (("mine", users[0], account), ("other", users[1], stranger)):
        claim = _jwt(signer, name, _public(user), {"type": "user", "version": 2, **_FREE_USER})
        (folder / f"{name}.creds").write_text(_creds(claim, bytes(user.seed).decode()))
    preload = "\n".join(
        f"{_public(each)}: {_jwt(operator, name, _public(each), {'type': 'account', 'version': 2, 'limits': limits})}"
        for name, each, limits in (
            ("agents", account, {**_FREE, **_STORES}),
            ("system", system, _FREE),
        )
    )
    return Login(
        f"""operator: {_jwt(operator, "operator", _public(operator), {"type": "operator", "version": 2})}
        system_account: {_public(system)}
        resolver: MEMORY
        resolver_preload: {{ {preload} }}""",
        {"credentials": str(folder / "mine.creds")},
        {"credentials": str(folder / "other.creds")},
        (bytes(users[1].seed).decode(),),
    )


def tls(folder: Path) -> Login:
    certificates(folder)
    return Login(
        f'tls {{ cert_file: "{folder}/server.pem", key_file: "{folder}/server.key" }}',
        {"tls": {"ca": str(folder / "ca.pem")}},
        {"tls": {}},
    )


def client_certificate(folder: Path) -> Login:
    certificates(folder)
    files = {name: str(folder / f"client.{end}") for name, end in (("cert", "pem"), ("key", "key"))}
    return Login(
        f"""tls {{ cert_file: "{folder}/server.pem", key_file: "{folder}/server.key",
                 ca_file: "{folder}/ca.pem", verify_and_map: true }}
        authorization {{ users: [{{ user: "CN=client" }}] }}""",
        {"tls": {"ca": str(folder / "ca.pem"), **files}},
        {"tls": {"ca": str(folder / "ca.pem")}},
    )


LOGINS: Mapping[str, Callable[[Path], Login]] = {
    each.__name__: each for each in (password, token, nkey, credentials, tls, client_certificate)
}
"""By name, from a folder for files."""


def certificates(folder: Path) -> None:
    """One that signs, `ca.pem`, and two that it signed, for a server on loopback and for a client."""
    new = ("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    signs = ("-addext", "keyUsage=critical,keyCertSign", "-subj", "/CN=ca")
    _run(
        *new, "-x509", "-days", "2", *signs, "-keyout", folder / "ca.key", "-out", folder / "ca.pem"
    )
    for name in ("server", "client"):
        key, request = folder / f"{name}.key", folder / f"{name}.csr"
        _run(*new, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        extra = folder / f"{name}.ext"
        extra.write_text("subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n")
        _run(
            *("openssl", "x509", "-req", "-days", "2", "-in", request, "-extfile", extra),
            *("-CA", folder / "ca.pem", "-CAkey", folder / "ca.key", "-CAcreateserial"),
            *("-out", folder / f"{name}.pem"),
        )


def _run(*command: object) -> None:
    subprocess.run(list(map(str, command)), check=True, capture_output=True)


_NO_LIMIT = -1
_FREE_USER = {"subs": _NO_LIMIT, "data": _NO_LIMIT, "payload": _NO_LIMIT}
_FREE = {
    **_FREE_USER,
    **dict.fromkeys(("imports", "exports", "conn", "leaf"), _NO_LIMIT),
    "wildcards": True,
}
_STORES = dict.fromkeys(("mem_storage", "disk_storage", "streams", "consumer"), _NO_LIMIT)


def _pair(prefix: int) -> Any:
    return nkeys.from_seed(nkeys.encode_seed(os.urandom(32), prefix))


def _public(pair: Any) -> str:
    return bytes(pair.public_key).decode()


def _jwt(signer: Any, name: str, subject: str, claims: Mapping[str, Any]) -> str:
    """A claim about a key, signed by the key above it."""
    body = {
        "iat": int(time.time()),
        "iss": _public(signer),
        "name": name,
        "sub": subject,
        "nats": claims,
    }
    digest = hashlib.sha256(json.dumps(body).encode()).digest()
    body["jti"] = base64.b32encode(digest).decode().rstrip("=")
    head = {"typ": "JWT", "alg": "ed25519-nkey"}
    text = f"{_base64(json.dumps(head).encode())}.{_base64(json.dumps(body).encode())}"
    return f"{text}.{_base64(signer.sign(text.encode()))}"


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _creds(jwt: str, seed: str) -> str:
    return (
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )
