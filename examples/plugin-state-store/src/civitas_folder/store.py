"""A state store that keeps one file for each key."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from civitas import StateStoreError
from civitas.message import decode, encode

__all__ = ["FolderStateStore"]

T = TypeVar("T")


class FolderStateStore:
    """Keeps one file for each key in a folder, written anew as a whole and synced to the disk.

    Args:
        path: The folder; made when it is first used.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        # One thread: it keeps the order of the calls, and the disk off the event loop.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="civitas-folder")

    async def get(self, key: str) -> dict[str, Any] | None:
        """The value under `key`, or None."""
        return await self._run(key, lambda: self._read(self._file(key)))

    async def set(self, key: str, value: Mapping[str, Any]) -> None:
        """Store `value`; it is on the disk when this returns."""
        # Here, not in the thread: what the caller changes afterwards must not be stored.
        content = encode({"key": key, "value": dict(value)}, "state")
        await self._run(key, lambda: self._write(self._file(key), content))

    async def delete(self, key: str) -> None:
        """Forget what is under `key`."""
        await self._run(key, lambda: self._file(key).unlink(missing_ok=True))

    async def keys(self, prefix: str = "") -> list[str]:
        """The keys that begin with `prefix`, sorted."""
        return await self._run(None, lambda: self._keys(prefix))

    async def close(self) -> None:
        """End the thread, once it has done what it was asked to."""
        await asyncio.get_running_loop().run_in_executor(None, self._thread.shutdown)

    async def _run(self, key: str | None, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except OSError as error:
            raise StateStoreError(
                f"cannot use the folder {self.path}: {error}. Look at its rights and at the free space",
                key=key,
            ) from error

    def _file(self, key: str) -> Path:
        # A key is any text, a file name is not.
        return self.path / f"{hashlib.sha256(key.encode()).hexdigest()}.state"

    def _read(self, file: Path) -> dict[str, Any] | None:
        try:
            value: dict[str, Any] = decode(file.read_bytes())["value"]
        except FileNotFoundError:
            return None
        return value

    def _write(self, file: Path, content: bytes) -> None:
        self.path.mkdir(parents=True, exist_ok=True)
        # Into another file and then into place: a crash leaves the old value or the new one, never half of one.
        draft = file.with_suffix(f".{os.getpid()}")
        with draft.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        draft.replace(file)
        folder = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _keys(self, prefix: str) -> list[str]:
        keys = (decode(file.read_bytes())["key"] for file in self.path.glob("*.state"))
        return sorted(key for key in keys if key.startswith(prefix))
