"""YAML to plain data: the types people expect, a line for everything, and nothing but plain data."""

from __future__ import annotations

import math
from typing import Any

import pytest

from civitas.topology.positions import Position
from civitas.topology.variables import Variables
from civitas.topology.yaml_reader import YamlProblem, read_yaml


def data(text: str, **environment: str) -> Any:
    return read_yaml(text, Variables(environment))[0]


def value(scalar: str, **environment: str) -> Any:
    return data(f"a: {scalar}", **environment)["a"]


@pytest.mark.parametrize(
    ("scalar", "expected"),
    [
        ("on", "on"),
        ("off", "off"),
        ("no", "no"),
        ("NO", "NO"),
        ("yes", "yes"),
        ("y", "y"),
        ("22:30", "22:30"),
        ("1_000", "1_000"),
        ("2026-01-02", "2026-01-02"),
        ("1.2.3", "1.2.3"),
        ("=", "="),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("007", 7),
        ("-5", -5),
        ("0o17", 15),
        ("0xff", 255),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("'1'", "1"),
        ('"true"', "true"),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("!!str 5", "5"),
    ],
)
def test_a_scalar_has_the_type_people_expect(scalar: str, expected: object) -> None:
    got = value(scalar)
    assert got == expected
    assert type(got) is type(expected)


def test_not_a_number_is_read_as_such() -> None:
    assert math.isnan(value(".nan"))


def test_every_key_and_value_has_its_line() -> None:
    text = "a:\n  b:\n\n    - 1\n    - c: 2\n  d: {e: 3,\n   f: 4}\n"
    _, places = read_yaml(text, Variables({}))
    assert places["a", "b"] == Position(2, 4)
    assert places["a", "b", 0] == Position(4, 4)
    assert places["a", "b", 1, "c"] == Position(5, 5)
    assert places["a", "d", "e"] == Position(6, 6)
    assert places["a", "d", "f"] == Position(7, 7)


def test_an_alias_stands_for_the_whole_value() -> None:
    assert data("a: &x {b: 1}\nc: *x") == {"a": {"b": 1}, "c": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3", 3, "'a' appears twice in one mapping, first on line 1"),
        ("a: {b: 1, b: 2}", 1, "'b' appears twice"),
        ("a: 1\n${A}: 3", 2, "'a' appears twice"),
        ("a:\n\t- 1", 2, "tab"),
        ("a: b: c", 1, "not YAML"),
        ("a: [1,\n", 2, "not YAML"),
        ("a: {b: 1\nc: 2\n", 2, "that begins on line 1"),
        ("a: 'open", 1, "not YAML"),
        ("a: *nobody", 1, "undefined alias"),
        ("a: 1\n---\nb: 2", 2, "second document"),
        ("x: 1\na: &a [*a]", 2, "alias"),
        ("a: !!python/object:os.system {}", 1, "!!python/object:os.system"),
        ("a: !Own 5", 1, "!Own"),
        ("a: !!binary aGk=", 1, "!!binary"),
        ("a: !!int five", 1, "!!int"),
        ("a: !!set {b}", 1, "!!set"),
        ("a: " + "9" * 5000, 1, "a number of this size"),
        ("x: 1\n<<: {a: 1}", 2, "merge keys"),
        ("x: 1\n? [1]\n: 2", 2, "a key must be a single word"),
        ("a: \x01", 1, "U+0001"),
        ("[" * 3000, 1, "nested too deeply"),
        ("[" * 150 + "]" * 150, 1, "deeply nested"),
    ],
)
def test_what_is_not_plain_data_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(YamlProblem) as caught:
        data(text, A="a")
    assert words in caught.value.problem
    assert caught.value.line == line


def test_aliases_of_aliases_do_not_unfold_for_ever() -> None:
    rows = [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    with pytest.raises(YamlProblem, match="too large"):
        data("\n".join(["a0: &a0 [1]", *rows]))


# Variables.


@pytest.mark.promise(id="SEM-755")
@pytest.mark.parametrize(
    ("scalar", "expected"),
    [
        ("${PORT}", 8080),
        ("'${PORT}'", "8080"),
        ('"${PORT}"', "8080"),
        ("tcp://${HOST}:${PORT}", "tcp://box:8080"),
        ("{path: ${HOST}}", {"path": "box"}),
        ("[${HOST}, ${PORT}]", ["box", 8080]),
        ("${FLAG}", True),
        ("'${FLAG}'", "true"),
        ("${NONE:-default}", "default"),
        ("${NONE:-5}", 5),
        ("${NONE:-}", None),
        ("'${NONE:-}'", ""),
        ("${EMPTY:-full}", "full"),
        ("'${EMPTY}'", ""),
        ("${NONE:-a: b # c}", "a: b # c"),
        ("${NONE:-a:-b}", "a:-b"),
        ("'$${PORT}'", "${PORT}"),
        ("x$${PORT}", "x${PORT}"),
        ("$PORT", "$PORT"),
        ("$", "$"),
        ("${TRICKY}", "a: b\n- c"),
        ("${MARK}", "${PORT}"),
        ("1${ONE}", 11),
        ("# ${UNSET} in a comment is nobody's business", None),
        ("\ue0000\ue001 ${PORT}", "\ue0000\ue001 8080"),
    ],
)
def test_a_variable_is_replaced_and_typed_as_if_it_had_stood_there(
    scalar: str, expected: object
) -> None:
    environment = {
        "PORT": "8080",
        "HOST": "box",
        "FLAG": "true",
        "EMPTY": "",
        "TRICKY": "a: b\n- c",
        "MARK": "${PORT}",
        "ONE": "1",
    }
    assert value(scalar, **environment) == expected


@pytest.mark.promise(id="SEM-755")
def test_a_variable_may_be_a_key() -> None:
    assert data("${KEY}: 1", KEY="a") == {"a": 1}


@pytest.mark.promise(id="SEM-755")
@pytest.mark.parametrize(
    ("scalar", "words"),
    [
        ("${UNSET}", "the environment variable UNSET is not set; set it, or give a default"),
        ("'x ${UNSET} y'", "UNSET is not set"),
        ("${}", "${} is not a variable"),
        ("${A B}", "${A B} is not a variable"),
        ("${A-b}", "write ${NAME} or ${NAME:-default}"),
        ("${A:?b}", "${A:?b} is not a variable"),
        ("${A", "${ is not a variable"),
        ("${A:-${B}}", "is not a variable"),
        ('{path: "${A"}', 'missing before the quotation mark in ${A"}'),
        ("{path: '${A:-b'}", "missing before the quotation mark in ${A:-b'}"),
    ],
)
def test_a_variable_without_a_value_is_refused_with_its_line(scalar: str, words: str) -> None:
    with pytest.raises(YamlProblem) as caught:
        data(f"x: 1\na: {scalar}", A="a")
    assert words in caught.value.problem
    assert caught.value.line == 2


def test_an_apostrophe_in_a_default_is_not_taken_for_the_error_in_another_line() -> None:
    with pytest.raises(YamlProblem) as caught:
        data("a: ${A:-it's}\nb: \"${B:-it's}\"\nc: [1, 2\nd: 3\n")
    assert "quotation mark" not in caught.value.problem


def test_an_error_shows_the_variable_and_not_its_mark() -> None:
    with pytest.raises(YamlProblem) as caught:
        data("a: *${NAME}")
    assert "\ue000" not in caught.value.problem
