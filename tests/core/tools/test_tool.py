"""`@civitas.tool`: what the model sees of a function, and how it is called."""

from __future__ import annotations

import functools
import threading
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from civitas.errors import ConfigurationError
from civitas.tools import FunctionTool, ToolProvider, tool


class Place(BaseModel):
    city: str
    country: str = "DE"


@tool
async def weather(
    city: str,
    days: int = 1,
    unit: Literal["C", "F"] = "C",
    detail: Annotated[bool, Field(description="Hour by hour.")] = False,
) -> str:
    """Look up the weather.

    Only for cities.

    Args:
        city: Name of the city,
            as its people write it.
        days (int): How many days.
    Returns:
        A sentence.
    """
    return f"{city} {days} {unit} {detail}"


@pytest.mark.promise(id="SEM-712")
def test_name_and_description_come_from_the_function():
    assert weather.name == "weather"
    assert weather.description == "Look up the weather.\n\nOnly for cities."
    assert isinstance(weather, ToolProvider)


@pytest.mark.promise(id="SEM-712")
def test_parameters_are_the_json_schema_of_the_arguments():
    assert weather.parameters == {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": "Name of the city, as its people write it."},
            "days": {"type": "integer", "default": 1, "description": "How many days."},
            "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
            "detail": {"type": "boolean", "default": False, "description": "Hour by hour."},
        },
        "required": ["city"],
        "additionalProperties": False,
    }


def test_a_function_without_arguments_has_an_empty_object():
    @tool
    def now() -> str:
        """The time."""
        return "noon"

    assert now.parameters["type"] == "object"
    assert now.parameters["properties"] == {}


def test_name_and_description_can_be_given():
    @tool(name="look-up", description="Finds things.")
    def search(query: str) -> str:
        """Something else."""
        return query

    assert (search.name, search.description) == ("look-up", "Finds things.")


def test_the_function_can_still_be_called_as_it_was_written():
    @tool
    def double(n: int) -> int:
        """Twice."""
        return n * 2

    assert double(3) == 6
    assert double.__doc__ == "Twice."


async def test_arguments_are_checked_and_converted():
    assert await weather.call(city="Bonn", days="3") == "Bonn 3 C False"


async def test_models_arrive_as_models():
    @tool
    def visit(place: Place, tags: list[str]) -> str:
        """Go there."""
        assert isinstance(place, Place)
        return f"{place.city}, {place.country}: {tags}"

    assert await visit.call(place={"city": "Bonn"}, tags=["a"]) == "Bonn, DE: ['a']"


@pytest.mark.promise(id="SEM-715")
@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({}, "city: Missing required argument"),
        ({"city": 7}, "city: Input should be a valid string"),
        ({"city": "Bonn", "days": "many"}, "days: Input should be a valid integer"),
        ({"city": "Bonn", "unit": "K"}, "unit: Input should be 'C' or 'F'"),
        ({"city": "Bonn", "town": "x"}, "town: Unexpected keyword argument"),
    ],
)
async def test_arguments_that_do_not_fit_say_which_and_why(arguments, text):
    with pytest.raises(ValueError, match="tool 'weather': these arguments do not fit") as failure:
        await weather.call(**arguments)
    assert text in str(failure.value)


async def test_an_error_of_the_function_itself_is_passed_on():
    @tool
    def fails(n: int) -> None:
        """Fail."""
        Place.model_validate({"n": n})

    with pytest.raises(ValueError, match="validation error for Place"):
        await fails.call(n=1)


async def test_a_plain_function_runs_in_a_thread_and_an_async_one_does_not():
    @tool
    def plain() -> threading.Thread:
        """Where am I?"""
        return threading.current_thread()

    @tool
    async def modern() -> threading.Thread:
        """Where am I?"""
        return threading.current_thread()

    assert await plain.call() is not threading.current_thread()
    assert await modern.call() is threading.current_thread()


async def test_a_method_of_an_object_can_be_a_tool():
    class Shelf:
        def __init__(self) -> None:
            self.books = ["a", "b"]

        async def count(self, letter: str) -> int:
            """Count books."""
            return self.books.count(letter)

    assert await tool(Shelf().count).call(letter="a") == 1


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda query: query, "'<lambda>' cannot be the name"),
        (functools.partial(print), "goes above a function"),
        (Place, "goes above a function"),
        ("weather", "goes above a function"),
    ],
)
def test_what_cannot_be_a_tool_says_why(function, text):
    with pytest.raises(ConfigurationError, match=text):
        tool(function)


def test_a_parameter_without_a_type_is_refused():
    def search(query, limit: int = 3) -> None: ...

    with pytest.raises(
        ConfigurationError, match="tool 'search': the parameter 'query' has no type"
    ):
        tool(search)


def test_parameters_that_have_no_name_for_a_model_are_refused():
    def many(*queries: str) -> None: ...
    def any_of(**queries: str) -> None: ...
    def unnamed(query: str, /) -> None: ...

    for function in (many, any_of, unnamed):
        with pytest.raises(ConfigurationError, match="a model gives arguments by name"):
            tool(function)


def test_type_hints_that_cannot_be_read_are_explained_when_they_are_needed():
    class Opaque:
        pass

    def search(where: Opaque) -> None: ...

    search.__annotations__["where"] = Opaque
    made = tool(search)
    with pytest.raises(ConfigurationError, match="tool 'search': its type hints cannot be read"):
        _ = made.parameters


@pytest.mark.parametrize("name", ["", "two words", "x" * 65, "grüße"])
def test_a_name_that_no_model_accepts_is_refused(name):
    with pytest.raises(ConfigurationError, match="cannot be the name of a tool"):
        FunctionTool(len, name, None)
