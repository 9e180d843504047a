"""Descriptors that no child may inherit."""

from __future__ import annotations

import os
from contextlib import suppress

__all__ = ["keep_from_children", "let_go"]

# A child that an agent forks would inherit locks and sockets, and hold them when this process was killed. Python keeps
# them from programs it starts; for forks that do not become another program there is only this.
_OURS: set[int] = set()


def keep_from_children(descriptor: int) -> None:
    """Close `descriptor` in every child that is forked from now on."""
    _OURS.add(descriptor)


def let_go(descriptor: int) -> None:
    """End what `keep_from_children` began; to be called before `descriptor` is closed."""
    _OURS.discard(descriptor)


def _in_child() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in _OURS:
        # Replaced and not closed: whoever closes it once more must not close another file.
        with suppress(OSError):
            os.dup2(null, descriptor, inheritable=False)
    os.close(null)
    _OURS.clear()


os.register_at_fork(after_in_child=_in_child)
