"""Where the class of an object comes from."""

from __future__ import annotations

__all__ = ["comes_from"]


def comes_from(obj: object, module: str, *names: str) -> bool:
    """Whether a class of `obj` is defined in `module`, without importing that.

    Args:
        obj: Anything.
        module: A module or package, such as ``langgraph``.
        *names: Names of classes to look for; any class if none is given.
    """
    return any(
        (kind.__module__ == module or kind.__module__.startswith(f"{module}."))
        and (not names or kind.__name__ in names)
        for kind in type(obj).__mro__
    )
