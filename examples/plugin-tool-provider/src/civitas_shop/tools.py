"""The two ways to make a tool."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import civitas

__all__ = ["Price", "multiply"]


@civitas.tool
async def multiply(a: float, b: float) -> float:
    """Multiply two numbers.

    Args:
        a: The one.
        b: The other.
    """
    return a * b


class Price:
    """A tool that is told something before it is used: here, what things cost.

    Args:
        prices: Article to price.
    """

    name = "price"
    description = "Look up what an article costs."

    def __init__(self, prices: Mapping[str, float]) -> None:
        self._prices = dict(prices)

    @property
    def parameters(self) -> dict[str, Any]:
        """The model may ask for what is on the list, and for nothing else."""
        article = {"type": "string", "enum": sorted(self._prices)}
        return {"type": "object", "properties": {"article": article}, "required": ["article"]}

    async def call(self, **arguments: Any) -> float:
        """The price of the `article`.

        Raises:
            ValueError: It is not on the list.
        """
        article = arguments.get("article")
        if article not in self._prices:
            raise ValueError(
                f"no article {article!r}; there are: {', '.join(sorted(self._prices))}"
            )
        return self._prices[article]
