"""The two tools."""

from __future__ import annotations

import pytest
from civitas_shop import Price, multiply

from civitas import ToolProvider


async def test_multiply_takes_numbers() -> None:
    assert await multiply.call(a=3, b=1.5) == 4.5
    with pytest.raises(ValueError, match="b: "):
        await multiply.call(a=3, b="many")


async def test_price_knows_what_it_was_made_with() -> None:
    price = Price({"pen": 1.5})
    assert isinstance(price, ToolProvider)
    assert price.parameters["properties"]["article"]["enum"] == ["pen"]
    assert await price.call(article="pen") == 1.5


async def test_an_article_that_is_not_on_the_list_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match="no article 'pan'; there are: book, pen"):
        await Price({"pen": 1.5, "book": 12}).call(article="pan")
