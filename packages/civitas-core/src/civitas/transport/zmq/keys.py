"""The key pair that the nodes of a system know each other by."""

from __future__ import annotations

import hashlib
import os
import secrets
import tomllib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from civitas.errors import ConfigurationError
from civitas.transport.zmq.extra import need_pyzmq

__all__ = ["Keys"]

_SIZE = 40  # characters of a key in Z85

_FILE = """\
# The keys of a system of Civitas. Each of its machines needs this file; nobody else may read it.
public = "{public}"
secret = "{secret}"
"""


@dataclass(frozen=True, slots=True)
class Keys:
    """One CURVE key pair, which all nodes of a system share.

    Who has it may join the system and read what travels; who has it not can do neither.

    Attributes:
        public: The public key, 40 characters in Z85.
        secret: The secret key, likewise; not shown in `repr`.
    """

    public: str
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        for name, key in (("public", self.public), ("secret", self.secret)):
            if len(key) != _SIZE or not key.isascii():
                raise ConfigurationError(
                    f"the {name} key is not {_SIZE} characters of Z85; `civitas keys new` makes keys"
                )

    @classmethod
    def new(cls) -> Self:
        """A fresh pair.

        Raises:
            ConfigurationError: The extra ``civitas-core[zmq]`` is not installed.
        """
        need_pyzmq()
        from civitas.transport.zmq.curve import key_pair

        return cls(*key_pair())

    @property
    def token(self) -> str:
        """What shows that its owner has the secret key, and from which nobody finds that."""
        return hashlib.sha256(f"civitas token {self.secret}".encode()).hexdigest()

    @classmethod
    def kept_in(cls, file: Path) -> Self:
        """The pair in a file, which is made if it is not there; it may be by two processes at once.

        Raises:
            ConfigurationError: As for `load` and `save`.
        """
        if not file.exists():
            fresh = file.with_name(f"{file.name}.{secrets.token_hex(4)}")
            cls.new().save(fresh)
            with suppress(FileExistsError):
                os.link(fresh, file)  # unlike a rename it replaces nothing
            fresh.unlink()
        return cls.load(file)

    @classmethod
    def load(cls, file: str | Path) -> Self:
        """Read the pair from a file that `save` wrote.

        Raises:
            ConfigurationError: There is none, it holds no keys, they are halves of different pairs, or others than its
                owner may read it.
        """
        try:
            with Path(file).open("rb") as opened:
                mode = os.fstat(opened.fileno()).st_mode
                if mode & 0o077:
                    raise ConfigurationError(
                        f"others may read the keys in {file}; make it private: chmod 600 {file}"
                    )
                found = tomllib.load(opened)
        except OSError as error:
            raise ConfigurationError(
                f"cannot read the keys in {file}: {error.strerror}; `civitas keys new {file}` makes some"
            ) from error
        except ValueError as error:
            raise ConfigurationError(f"{file} does not hold Civitas keys: {error}") from error
        try:
            keys = cls(str(found["public"]), str(found["secret"]))
        except KeyError as error:
            raise ConfigurationError(f"{file} holds no {error.args[0]} key") from error
        except ConfigurationError as error:
            raise ConfigurationError(f"{file}: {error}") from error
        need_pyzmq()
        from civitas.transport.zmq.curve import public_of

        if public_of(keys.secret) != keys.public:
            raise ConfigurationError(
                f"the public and the secret key in {file} do not belong together; copy the file again from another "
                "machine of the system, or make new keys for all of them: `civitas keys new`"
            )
        return keys

    def save(self, file: str | Path) -> None:
        """Write the pair to a new file that only its owner may read.

        Raises:
            ConfigurationError: The file already exists, or cannot be written.
        """
        try:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise ConfigurationError(
                f"{file} already exists; a system with new keys does not recognize one with the old, "
                "so remove the file first if that is what you want"
            ) from error
        except OSError as error:
            raise ConfigurationError(f"cannot write {file}: {error.strerror}") from error
        with os.fdopen(descriptor, "w") as opened:
            opened.write(_FILE.format(public=self.public, secret=self.secret))
