"""What is missing in an object that a carrier gave."""

from __future__ import annotations

__all__ = ["shortfall"]


def shortfall(found: object, kind: type, called: str) -> str:
    """What to say of an object that is not what a carrier should have given; empty if it is.

    Args:
        found: What it gave.
        kind: What it should be: text, a class, or a protocol that can be checked at run time.
        called: How people call that, such as ``a Link``.
    """
    if isinstance(found, kind):
        return ""
    members = {*getattr(kind, "__annotations__", ()), *vars(kind)} if kind is not str else ()
    lacks = [
        each for each in sorted(members) if each[0] != "_" and getattr(found, each, None) is None
    ]
    hint = f"; it has no {' and no '.join(lacks)}" if lacks else ""
    return f"gave {type(found).__name__!r} instead of {called}{hint}"
