"""What may come to life because another OS process says so."""

from __future__ import annotations

from typing import Any

import pytest

from civitas.cluster.recipe import check_recipe, follow, recipe_of
from civitas.errors import ConfigurationError
from civitas.process import AgentProcess

CALLED: list[Any] = []


class Kept(AgentProcess):
    """An agent with an argument."""

    def __init__(self, name: str, given: Any = None) -> None:
        super().__init__(name)
        self.given = given

    async def handle(self, message: Any) -> None: ...


class NoAgent:
    """Something else that can be called."""

    def __init__(self, *args: Any) -> None:
        CALLED.append(args)


def recipe(path: Any, *args: Any) -> dict[str, Any]:
    return {"name": "a", "class": path, "args": list(args), "keywords": {}}


@pytest.mark.promise(id="SEM-1171")
def test_a_recipe_makes_the_same_agent_again() -> None:
    made = follow(recipe_of(Kept("a", given=[1])))
    assert (type(made), made.name, getattr(made, "given", None)) == (Kept, "a", [1])


@pytest.mark.promise(id="SEM-1171")
@pytest.mark.parametrize(
    "path",
    [
        "os:system",
        "os:getcwd",
        "builtins:exec",
        "subprocess:Popen",
        f"{__name__}:NoAgent",
        f"{__name__}:Kept.__subclasses__",
        f"{__name__}:Kept.handle",
        f"{__name__}:recipe",
    ],
)
def test_a_recipe_for_anything_but_a_class_of_agents_is_refused_and_calls_nothing(
    path: str,
) -> None:
    with pytest.raises(ConfigurationError, match=f"{path} is not a subclass of AgentProcess"):
        follow(recipe(path, "a"))
    assert not CALLED


@pytest.mark.promise(id="SEM-1171")
@pytest.mark.parametrize(
    "what",
    [
        None,
        "os:system",
        recipe("os"),
        recipe("os:"),
        recipe(7),
        recipe("os:system\n"),
        recipe("a:b") | {"args": "id"},
        recipe("a:b") | {"keywords": [1]},
        recipe("a:b") | {"name": 7},
    ],
)
def test_what_has_not_the_form_of_a_recipe_is_refused_where_it_arrives(what: Any) -> None:
    with pytest.raises(ConfigurationError, match="is not a recipe"):
        check_recipe(what)
    with pytest.raises(ConfigurationError, match="is not a recipe"):
        follow(what)


@pytest.mark.promise(id="SEM-1171")
def test_a_class_that_is_not_found_under_its_name_is_refused_at_the_sender() -> None:
    class Local(Kept):
        """Made in a function."""

    with pytest.raises(ConfigurationError, match="define it in a module"):
        recipe_of(Local("a"))
    hidden = type("Kept", (Kept,), {"__module__": __name__, "__qualname__": "Kept"})
    with pytest.raises(ConfigurationError, match="under its own name"):
        recipe_of(hidden("a"))
