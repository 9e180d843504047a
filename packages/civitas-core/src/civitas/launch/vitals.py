"""`Vitals`: tells systemd, or the probes of a container, that a program is ready, lives, and stops.

systemd gives the name of a socket (`NOTIFY_SOCKET`) and how often it wants a sign of life (`WATCHDOG_USEC`). A probe of
a container looks at files in the folder that `CIVITAS_HEALTH` names: the age of `alive`, and whether `ready` is there.
The signs come from a thread, so that a handler which blocks the event loop for a moment is not taken for dead; they end
once the loop has not turned for `patience`.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from civitas.errors import ConfigurationError

__all__ = ["HEALTH", "Vitals"]

logger = logging.getLogger("civitas")

HEALTH = "CIVITAS_HEALTH"
"""The environment variable that names the folder for probes."""

_EVERY = 1.0
"""Seconds between two looks; a probe that allows an age of a minute is never wrong by it."""


class Vitals:
    """Tells while it is entered; without anybody to tell it does nothing, and has no thread.

    Args:
        patience: Seconds that the event loop may take for one turn; None for any time.
        environment: Says whom to tell; that of this OS process by default.

    Raises:
        ConfigurationError: On entering: the folder for probes cannot be written.
    """

    def __init__(
        self, patience: float | None = 30.0, environment: Mapping[str, str] | None = None
    ) -> None:
        environment = os.environ if environment is None else environment
        self._patience = patience
        self._notify = environment.get("NOTIFY_SOCKET", "")
        health = environment.get(HEALTH, "")
        self._health = Path(health) if health else None
        self._beats = bool(self._notify) and _wants_beats(environment)
        self._every = min(_EVERY, _interval(environment) / 3) if self._beats else _EVERY
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turned = time.monotonic()
        self._unheard = False
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if self._health is not None:
            self._make(self._health)
        if self._beats or self._health is not None:
            self._thread = threading.Thread(target=self._beat, name="civitas-vitals", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        self._show_ready(False)

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on, tell only while this loop turns."""
        self.turned()
        self._loop = loop

    def turned(self) -> None:
        """The loop turns, or is held up on purpose."""
        self._turned = time.monotonic()

    def ready(self, status: str) -> None:
        """The program does what it was started for, or stands by for it."""
        self._show_ready(True)
        self._tell(f"READY=1\nSTATUS={status}")

    def waiting(self, status: str) -> None:
        """It cannot do its work at this moment, and starting it again would not help."""
        self._show_ready(False)
        self._tell(f"STATUS={status}")

    def stopping(self) -> None:
        """It was told to stop, and takes no new work."""
        self._show_ready(False)
        self._tell("STOPPING=1")

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "alive").touch()
        except OSError as error:
            raise ConfigurationError(
                f"{HEALTH}: cannot write in {folder}: {error.strerror}; name a folder that can be written"
            ) from error
        self._show_ready(False)

    def _show_ready(self, ready: bool) -> None:
        if self._health is None:
            return
        with suppress(OSError):
            if ready:
                (self._health / "ready").touch()
            else:
                (self._health / "ready").unlink(missing_ok=True)

    def _beat(self) -> None:
        while True:
            if self._lives():
                if self._beats:
                    self._tell("WATCHDOG=1")
                if self._health is not None:
                    with suppress(OSError):
                        (self._health / "alive").touch()
            if self._over.wait(self._every):
                return

    def _lives(self) -> bool:
        """Whether the loop turned a moment ago; and ask it to say so again."""
        loop, since = self._loop, time.monotonic() - self._turned
        if loop is None:
            return True  # modules are imported, which takes as long as it takes
        with suppress(RuntimeError):  # it is closed: the program is about to end
            loop.call_soon_threadsafe(self.turned)
        return self._patience is None or since <= self._patience

    def _tell(self, text: str) -> None:
        if not self._notify:
            return
        # A name that begins with @ is one without a file.
        name = f"\0{self._notify[1:]}" if self._notify.startswith("@") else self._notify
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifying:
                notifying.settimeout(1.0)
                notifying.sendto(text.encode(), name)
        except OSError as error:  # it may hear the next: systemd starts itself again at an update
            if not self._unheard:
                logger.warning("NOTIFY_SOCKET %s: %s", self._notify, error.strerror or error)
            self._unheard = True
        else:
            self._unheard = False


def _wants_beats(environment: Mapping[str, str]) -> bool:
    """Whether a watchdog waits for this process, and not for one that started it."""
    return _interval(environment) > 0 and environment.get("WATCHDOG_PID", "") in (
        "",
        str(os.getpid()),
    )


def _interval(environment: Mapping[str, str]) -> float:
    said = environment.get("WATCHDOG_USEC", "")
    return int(said) / 1e6 if said.isdigit() else 0.0
