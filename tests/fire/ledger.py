"""What was accepted and what was handled, in files that outlive whoever writes to them."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Count", "Ledger"]


@dataclass
class Count:
    """What a ledger says.

    Attributes:
        accepted: Messages that a `send` returned for, or an `ask` was answered for.
        handled: Messages that a handler wrote down, each counted once.
        lost: Accepted, and never handled.
        in_flight: Handled a second time by the next incarnation, as the one before it ended in the same moment: after
            it wrote the message down and before that was settled. There is one for each death at most, but where the
            server dies, which confirms the end of a message: then these are all that an incarnation wrote down last.
        doubled: Handled again otherwise.
        disorder: Handled after a later message of the same sender.
    """

    accepted: int = 0
    handled: int = 0
    in_flight: int = 0
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    disorder: list[str] = field(default_factory=list)


class Ledger:
    """Append-only files, one line a write: a line is there, whole, when its writer is killed a moment later.

    Args:
        folder: Where the files are.

    Attributes:
        server_dies: Whether the server is killed, too, that confirms the end of a message.
    """

    def __init__(self, folder: str | Path) -> None:
        self.server_dies = False
        self._folder = Path(folder)
        self._files: dict[str, int] = {}

    def accepted(self, token: str) -> None:
        """Write down that a message was accepted."""
        self._write("accepted", token)

    def handled(self, token: str, agent: str, incarnation: str, sender: str, n: int) -> None:
        """Write down that a handler has a message.

        Args:
            token: Of the message; no other has it.
            agent: Who handles it.
            incarnation: Which one of that.
            sender: Whose messages are to come in order; empty where that is not promised.
            n: Their number.
        """
        self._write("handled", f"{token} {agent} {incarnation} {sender or '-'} {n}")

    def done(self, what: str) -> None:
        """Write down that a step was done."""
        self._write("done", what)

    def moment(self, what: str, agent: str, incarnation: str, second: float) -> None:
        """Write down when an incarnation began or ended to handle something."""
        self._write("moments", f"{what} {agent} {incarnation} {second:.6f}")

    def failed(self, what: str) -> None:
        """Write down that something was refused or not answered."""
        self._write("failed", what.replace("\n", " "))

    def lines(self, file: str) -> Iterator[list[str]]:
        """The words of each line."""
        path = self._folder / file
        if path.exists():
            with path.open() as opened:
                yield from (line.split() for line in opened)

    def is_settled(self) -> bool:
        """Whether everything that was accepted is handled."""
        handled = {token for token, *_ in self.lines("handled")}
        return all(token in handled for (token,) in self.lines("accepted"))

    def count(self) -> Count:
        """Add it all up."""
        count = Count()
        by: dict[str, str] = {}
        written: dict[tuple[str, str], list[str]] = defaultdict(list)
        newest: dict[tuple[str, str], int] = {}
        heard: list[tuple[str, str, str]] = []
        for token, agent, incarnation, sender, n in self.lines("handled"):
            if token in by:
                heard.append((token, agent, by[token]))
            elif sender != "-":
                pair = agent, sender
                if int(n) < newest.get(pair, -1):
                    count.disorder.append(f"{token} at {agent} after {newest[pair]}")
                newest[pair] = max(int(n), newest.get(pair, -1))
            by[token] = incarnation
            written[agent, incarnation].append(token)
        again = {token for token, *_ in heard}
        for token, agent, incarnation in heard:
            tokens = written[agent, incarnation]
            behind = tokens[tokens.index(token) + 1 :]
            if not behind or (self.server_dies and again.issuperset(behind)):
                count.in_flight += 1
            else:
                count.doubled.append(f"{token} at {agent}")
        twice = Counter(what for (what,) in self.lines("done"))
        count.doubled += [f"step {what}" for what, times in twice.items() if times > 1]
        accepted = [token for (token,) in self.lines("accepted")]
        count.accepted, count.handled = len(accepted), len(by)
        count.lost = [token for token in accepted if token not in by]
        return count

    def _write(self, file: str, line: str) -> None:
        if file not in self._files:
            how = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            self._files[file] = os.open(self._folder / file, how, 0o600)
        os.write(self._files[file], f"{line}\n".encode())
