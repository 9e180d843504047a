"""What an agent has to do here: read a long conversation, call a tool again and again, and be killed at some calls.

Of the standard library alone, as it also runs in the environments of others. The numbers stand in the environment
variable `WALL`, so that each process of a contestant finds them.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import uuid
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["CHARACTERS", "VARIABLE", "Task", "look", "task"]

CHARACTERS = 4
"""Characters of a token, about."""
VARIABLE = "WALL"
"""The environment variable that holds the task."""

_MESSAGE = 4000  # characters of a message of the conversation
_WORD = "wall and gate. "


@dataclass(frozen=True)
class Task:
    """A long run.

    Attributes:
        folder: Where its calls are written down, and what it keeps.
        tokens: Of the conversation that it begins with.
        calls: How often it calls its tool.
        result: Tokens of what the tool returns each time.
        kills: The calls in which the process of the agent is killed, the first time each begins.
        at_once: How many calls of the tool one answer of the model holds.
    """

    folder: str
    tokens: int
    calls: int
    result: int
    kills: tuple[int, ...]
    at_once: int = 1

    def text(self) -> str:
        """For `VARIABLE`."""
        return json.dumps(asdict(self))

    @property
    def conversation(self) -> list[dict[str, str]]:
        """What the run begins with: messages of a user and of an assistant, in turn."""
        count = max(1, self.tokens * CHARACTERS // _MESSAGE)
        roles = ("user", "assistant")
        said = [
            {"role": roles[number % 2], "content": _text(f"message {number}", _MESSAGE)}
            for number in range(count)
        ]
        return [*said, {"role": "user", "content": "Go on."}]

    @property
    def characters(self) -> int:
        """Of all that the run reads and returns, each text once."""
        begin = sum(len(each["content"]) for each in self.conversation)
        return begin + sum(len(self.found(number)) for number in range(self.calls))

    def found(self, number: int) -> str:
        """What the call returns."""
        return _text(f"result {number}", self.result * CHARACTERS)

    def begun(self) -> int:
        """How often the tool was called."""
        log = Path(self.folder) / "calls"
        return len(log.read_text().split()) if log.exists() else 0

    def killed(self) -> int:
        """How many of the kills that it asks for there have been."""
        return sum((Path(self.folder) / f"killed-{each}").exists() for each in self.kills)

    def passed(self) -> Counter[int]:
        """How often each call took effect."""
        effects = (Path(self.folder) / "effects").glob("*")
        return Counter(int(each.name.partition("-")[0]) for each in effects)


def task() -> Task:
    """The one of this process."""
    given: dict[str, Any] = json.loads(os.environ[VARIABLE])
    return Task(**{**given, "kills": tuple(given["kills"])})


def look(number: int, key: str | None = None) -> str:
    """The tool: the process is killed before it takes effect, or it is written down that it did.

    Like a service outside that is given idempotency keys, it does nothing for a key that it knows already.

    Args:
        number: What to look up.
        key: The idempotency key of the call, if there is one.
    """
    now = task()
    folder = Path(now.folder)
    killed = folder / f"killed-{number}"
    if number in now.kills and not killed.exists():
        killed.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    with (folder / "calls").open("a") as log:
        log.write(f"{number}\n")
    effects = folder / "effects"
    effects.mkdir(exist_ok=True)
    key = uuid.uuid4().hex if key is None else hashlib.sha256(key.encode()).hexdigest()
    (effects / f"{number}-{key}").touch()
    return now.found(number)


def _text(begin: str, length: int) -> str:
    text = f"{begin}: "
    return (text + _WORD * (1 + length // len(_WORD)))[:length]
