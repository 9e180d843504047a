"""What calls of models cost."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from civitas.errors import ConfigurationError
from civitas.message.envelope import shown

__all__ = ["Prices"]

_MILLION = 1_000_000
_DATED = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8})$")


class Prices:
    """What the tokens of models cost.

    Args:
        given: For each model ``{"in": ..., "out": ...}``, US dollars for a million tokens that it reads and writes; the
            model ``*`` stands for all others.

    Raises:
        ConfigurationError: It is another shape.
    """

    def __init__(self, given: Mapping[str, Mapping[str, float]] | None = None) -> None:
        self._of: dict[str, tuple[float, float]] = {}
        table: Any = {} if given is None else given
        if not isinstance(table, Mapping):
            raise ConfigurationError(
                "prices must be a dict such as {'gpt-5': {'in': 1.25, 'out': 10}}, in US dollars for a million "
                f"tokens; got {shown(given)}"
            )
        for model, price in table.items():
            good = isinstance(price, Mapping) and set(price) == {"in", "out"}
            if not good or not all(map(_is_price, price.values())):
                raise ConfigurationError(
                    f"prices: {model!r} must be {{'in': ..., 'out': ...}}, US dollars for a million tokens that it "
                    f"reads and writes; got {shown(price)}"
                )
            self._of[str(model)] = price["in"] / _MILLION, price["out"] / _MILLION

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._of)

    def cost(self, model: str, read: float, written: float) -> float | None:
        """What a call costs in US dollars; None if that is not known."""
        price = self._of.get(model) or self._like(model)
        return None if price is None else read * price[0] + written * price[1]

    def _like(self, model: str) -> tuple[float, float] | None:
        """The price of a model under a longer name of it: with its provider, with its date."""
        name = model.rpartition("/")[2]
        for each in (name, _DATED.sub("", name), "*"):
            if each in self._of:
                return self._of[each]
        return None

    def plain(self) -> dict[str, dict[str, float]]:
        """As it was given."""
        return {
            model: {"in": read * _MILLION, "out": written * _MILLION}
            for model, (read, written) in self._of.items()
        }


def _is_price(value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0 <= value < math.inf  # type: ignore[operator]
