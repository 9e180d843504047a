"""Names of a package that are imported when somebody first uses them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

__all__ = ["when_used"]


def when_used(
    package: str, homes: Mapping[str, Sequence[str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The `__getattr__` and the `__dir__` of a package that loads its parts on demand (PEP 562).

    The modules of the package can be used the same way, as if they had been imported.

    Args:
        package: Its `__name__`.
        homes: The names that come from each module. None of them may be that of a module of the package: whoever
            imports that module would replace the name.
    """
    home_of = {name: home for home, names in homes.items() for name in names}

    def getattr_(name: str) -> Any:
        within = import_module(package)
        if (home := home_of.get(name)) is not None:
            value = getattr(import_module(home), name)
            setattr(within, name, value)  # found there from now on
            return value
        if not name.startswith("_"):
            module = f"{package}.{name}"
            try:
                return import_module(module)
            except ModuleNotFoundError as error:
                if error.name != module:
                    raise
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    def dir_() -> list[str]:
        return sorted({*vars(import_module(package)), *home_of})

    return getattr_, dir_
