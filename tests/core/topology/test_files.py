"""From a file, or a part of one, to a topology, and what is said where that cannot be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from civitas.errors import TopologyError
from civitas.topology import load, load_part

Write = Callable[[str], Path]


# Files.


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "the file is empty"),
        (b"# nothing but this\n", "the file is empty"),
        (b"- a\n- b\n", ":1: a topology must be a mapping, not a list"),
        (b"\n\nhello\n", ":3: a topology must be a mapping, not a single value"),
        (b"name: x\nsupervision: \xff\n", ":2: is not UTF-8 text (byte 0xff)"),
        ("supervision: {}".encode("utf-16"), ":1: is not UTF-8 text"),
        (b"\x00" * 10, "U+0000"),
        (b" " * 10_000_001, "is larger than 10,000,000 bytes"),
    ],
)
def test_a_file_that_is_no_topology_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    file = tmp_path / "topology.yaml"
    file.write_bytes(content)
    with pytest.raises(TopologyError) as caught:
        load(file)
    assert words in str(caught.value)
    assert str(caught.value).startswith(str(file))


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "topology.yaml"
    file.write_bytes(b"\xef\xbb\xbfname: x\r\nsupervision: {}\r\n")
    assert load(str(file)).name == "x"


def test_a_missing_file_is_named_with_the_nearest_there_is(write: Write) -> None:
    file = write("supervision: {}")
    with pytest.raises(TopologyError) as caught:
        load(file.with_name("toplogy.yaml"))
    assert f"there is no such file; did you mean {str(file)!r}?" in str(caught.value)


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(TopologyError, match="there is no folder"):
        load(tmp_path / "nowhere" / "topology.yaml")


def test_a_folder_is_refused_with_the_file_in_it(write: Write) -> None:
    file = write("supervision: {}")
    with pytest.raises(TopologyError) as caught:
        load(file.parent)
    assert f"is a folder, not a topology file; did you mean {str(file)!r}?" in str(caught.value)


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000, ""])
def test_a_path_that_cannot_be_one_is_refused(path: str) -> None:
    with pytest.raises(TopologyError):
        load(path)


# A part of it.


def test_a_part_is_read_where_the_rest_is_wrong_or_names_variables_not_set_here(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAM", "red")
    monkeypatch.delenv("NOT_SET", raising=False)
    file = write("""
        name: ${TEAM}-team
        state: {path: "${NOT_SET}"}
        supervision: {strategi: ${NOT_SET}}
        colour: red
    """)
    assert load_part(file, "name").name == "red-team"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: ${NOT_SET}", "topology.yaml:1: the environment variable NOT_SET is not set"),
        (
            "name: two words\n",
            "topology.yaml:1: 'name' must be text of 1 to 200 characters without",
        ),
        ("{supervision: {}}\nname", "topology.yaml:2: not YAML"),
    ],
)
def test_a_part_that_is_wrong_itself_is_an_error_with_its_line(
    write: Write, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    monkeypatch.delenv("NOT_SET", raising=False)
    with pytest.raises(TopologyError) as caught:
        load_part(write(text), "name")
    assert words in str(caught.value)
