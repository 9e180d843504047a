"""Text of others where a person reads it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from civitas.cli.reporting import print_line
from civitas.cli.top.drawing import listed
from civitas.cli.trees import running_tree
from civitas.telemetry.readable import cut, escaped
from tests.core.cli.tops import agent, overview


@pytest.mark.promise(id="SEM-1167")
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("user-42", "user-42"),
        ("Grüße, 東京 🙂", "Grüße, 東京 🙂"),
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[2J\x07", "\\x1b[2J\\x07"),
        ("safe\u202eevil", "safe\\u202eevil"),
        ("\u2028\u2066\x9b", "\\u2028\\u2066\\x9b"),
    ],
)
def test_what_a_screen_would_obey_is_written_out(text: str, shown: str) -> None:
    assert escaped(text) == shown


@pytest.mark.promise(id="SEM-1167")
def test_a_long_id_keeps_its_two_ends() -> None:
    assert cut("a" * 64) == "a" * 64
    long = cut("a" * 2500 + "b" * 2500)
    assert len(long) == 64
    assert long == "a" * 32 + "…" + "b" * 31
    assert len(cut("\n" * 64)) == 64


@pytest.mark.promise(id="SEM-1167")
def test_in_the_tree_and_in_top_a_conversation_writes_over_nothing_and_hides_no_column() -> None:
    name = f"pool/\x1b[2J\u202e\n{'x' * 5000}"
    tree_entry = {
        "name": name,
        "kind": "agent",
        "status": "running",
        "node": "root",
        "pid": 4711,
        "restarts": 0,
        "mailbox_depth": 0,
        "children": [],
    }
    screen = io.StringIO()
    console = Console(file=screen, width=120)
    console.print(listed(overview([agent(name, None)]), [("", agent(name, None))], 120))
    console.print(running_tree(tree_entry))
    text = screen.getvalue()
    top, tree = text.split("pid")[1], text.splitlines()[-1]
    assert "\x1b" not in text
    assert "\u202e" not in text
    for shown in (top, tree):
        assert "pool/\\x1b[2J\\u202e\\n" in shown
        assert "running" in shown
    assert "4711" in top


@pytest.mark.promise(id="SEM-1167")
def test_what_civitas_run_prints_of_an_event_is_one_line() -> None:
    screen = io.StringIO()
    console = Console(file=screen, width=200)
    print_line(console, "crashed", "pool/a\nb", "ValueError: \x1b]0;title\x07 and\nmore", 0.0)
    assert screen.getvalue().count("\n") == 1
    assert "pool/a\\nb  ValueError: \\x1b]0;title\\x07 and\\nmore" in screen.getvalue()
