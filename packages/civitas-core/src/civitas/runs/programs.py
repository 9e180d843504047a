"""`Programs`: which programs have runs in one state store, and what each was handling when it was killed."""

from __future__ import annotations

import fcntl
import os
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from civitas.launch.descriptors import keep_from_children, let_go
from civitas.launch.in_hand import InHand, read_in_hand

if TYPE_CHECKING:
    from civitas.state import StateStore

__all__ = ["Programs"]

_END = ".runs"


class Programs:
    """Which programs have runs in one state store, and what each was handling when it was killed.

    A program that uses a store in a file has a file of its own beside it, which it locks as long as it runs, and in
    which it notes the messages in hand. So the next one knows whose runs are left over, and how often each was begun:
    it locks the files of the programs that are gone until the runs of each are finished. For a store elsewhere there is
    one program, and what was in hand is not known.

    Args:
        store: The store.
    """

    def __init__(self, store: StateStore) -> None:
        path = getattr(store, "path", None)
        self._beside = path.resolve() if isinstance(path, Path) else None
        self.own = ""
        """How this program signs its runs; empty until it has some, or where it needs no name."""
        self.are_counted = self._beside is not None
        """Whether it is known how often a run was begun by programs that were killed."""
        self._in_hand: InHand | None = None
        self._locks: dict[str, int] = {}
        """The descriptors of the files of this program, and of those that are gone, by how each signs."""
        self._others: set[str] = set()
        self._given: Counter[str] = Counter()

    def look(self) -> None:
        """Find out who else runs, and what was in hand of those that are gone."""
        if self._beside is None:
            return
        files = {
            file.name.removeprefix(f"{self._beside.name}.").removesuffix(_END): file
            for file in self._beside.parent.glob(f"{self._beside.name}.*{_END}")
        }
        # Those of the programs themselves come first, as they say which of the others matter.
        for name in sorted(files, key=lambda name: "." in name):
            owner, _, process = name.partition(".")
            if not process and not self._lock(owner, make=False):
                self._others.add(owner)
            if owner in self._locks:
                noted = read_in_hand(files[name])
                self._given.update(noted.in_hand)
                self._given.update(noted.finished)

    def peek(self) -> None:
        """Find out what each program had in hand, or has, and take nothing over: for whoever only looks."""
        if self._beside is not None:
            for file in self._beside.parent.glob(f"{self._beside.name}.*{_END}"):
                self._given.update(read_in_hand(file).in_hand)

    def is_running(self, owner: str) -> bool:
        """Whether a program runs that signs so."""
        if self._beside is None:
            return False
        try:
            with self._file(owner).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return False

    def is_other(self, owner: str) -> bool:
        """Whether a program that signs so has its runs in hand itself."""
        return owner in self._others

    def given(self, message_id: str) -> int:
        """How many incarnations were given a message by programs that are gone."""
        return self._given[message_id]

    def sign_in(self) -> None:
        """This program is about to have runs."""
        if self._beside is None or self.own:
            return
        owner = os.urandom(8).hex()
        with suppress(OSError):  # then what is in hand is not known after a kill
            if self._lock(owner, make=True):
                self._in_hand = InHand(self._file(owner), lambda agent: True)
        self.own = owner

    def noted_by(self, process: str) -> Path | None:
        """Where an OS process of this program notes what it has in hand; None if this program has no file."""
        if self._in_hand is None:
            return None
        file = self._file(f"{self.own}.{process}")
        with suppress(OSError):
            file.touch(0o600)
        return file

    def begun(self, agent: str, message_id: str) -> None:
        """An agent begins to handle a message."""
        if self._in_hand is not None:
            self._in_hand.begun(agent, message_id)

    def finished(self, message_id: str) -> None:
        """A message is finished."""
        if self._in_hand is not None:
            self._in_hand.finished(message_id)

    def put_back(self, message_id: str) -> None:
        """A message was given to an agent that does not go on with it, which does not count."""
        if self._in_hand is not None:
            self._in_hand.put_back(message_id)

    def sign_out(self, unfinished: set[str]) -> None:
        """The program stops: nothing of it is in hand any more.

        Args:
            unfinished: Whose runs are left.
        """
        if self._in_hand is not None:
            self._in_hand.close()
            self._in_hand = None
        for owner, descriptor in self._locks.items():
            if owner == self.own or owner not in unfinished:
                for file in (self._file(owner), *self._of_processes(owner)):
                    with suppress(OSError):
                        file.unlink()
            let_go(descriptor)
            os.close(descriptor)
        self._locks.clear()
        self.own = ""

    def _of_processes(self, owner: str) -> list[Path]:
        assert self._beside is not None  # it has files
        return list(self._beside.parent.glob(f"{self._beside.name}.{owner}.*{_END}"))

    def _file(self, owner: str) -> Path:
        assert self._beside is not None  # it has files
        return self._beside.with_name(f"{self._beside.name}.{owner}{_END}")

    def _lock(self, owner: str, *, make: bool) -> bool:
        file = self._file(owner)
        try:
            descriptor = os.open(file, os.O_RDWR | (os.O_CREAT if make else 0), 0o600)
        except FileNotFoundError:
            return False  # its program has just ended
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(descriptor), file.stat()):
                raise FileNotFoundError(file)
        except OSError:
            os.close(descriptor)
            return False
        keep_from_children(descriptor)
        self._locks[owner] = descriptor
        return True
