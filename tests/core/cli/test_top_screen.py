"""What `civitas top` shows, and what its keys do, without a terminal."""

from __future__ import annotations

import io

import pytest
from rich.cells import cell_len
from rich.console import Console

from civitas.cli.top.board import Act, Board
from civitas.cli.top.choosing import Choice, Doing, Order, chosen
from civitas.cli.top.drawing import drawn
from civitas.cli.top.typed import decoded
from tests.core.cli.tops import NOW, agent, handled, overview, printed, supervisor, text_of

TEAM = [
    supervisor("root"),
    agent("writer", handling=handled(12, step="draft", asks=["critic"]), waiting=2, tokens=1200),
    supervisor("crew"),
    agent("critic", "crew", restarts=4, handling=handled(3, conversation="user-42")),
    agent("scout", "crew", status="restarting", due=NOW + 5, paused=True),
]
TEAM[2]["parent"] = "root"


def names(choice: Choice) -> list[str]:
    return [each["name"] for _, each in chosen(TEAM, choice)]


def board(choice: Choice | None = None) -> Board:
    board = Board(choice or Choice())
    board.see(overview(TEAM))
    return board


def press(board: Board, *keys: str) -> Act | None:
    act = None
    for key in keys:
        act = board.press(key)
    return act


def screen(board: Board, width: int = 120, height: int = 12) -> list[str]:
    text = text_of(drawn(board, width, height), width, height)
    return [line.rstrip() for line in text.splitlines()]


@pytest.mark.promise(id="SEM-1770")
def test_each_agent_shows_what_it_handles_since_when_and_how_it_fares() -> None:
    text = printed(TEAM)
    (writer,) = (line for line in text.splitlines() if "writer" in line)
    assert "message, draft, waits for critic" in writer
    for word in ("12 s", "m-1", "1,200", "90 s", "4711"):
        assert word in writer
    assert "again in 5.0 s" in text
    assert "paused" in text
    assert "budget" not in text
    assert "last error" not in text
    assert "KeyError" in printed([agent("a", None, failed=1, last_error="KeyError")])
    told = printed([agent("a", None, budget={"tokens": 900, "usd": 0.5})])
    assert "900 tokens, 0.5 usd" in told


@pytest.mark.promise(id="SEM-1771")
@pytest.mark.parametrize(
    ("choice", "found"),
    [
        (Choice(), ["root", "writer", "crew", "critic", "scout"]),
        (Choice(Order.MAILBOX), ["writer", "critic", "scout"]),
        (Choice(Order.RESTARTS), ["critic", "scout", "writer"]),
        (Choice(Order.SINCE), ["writer", "critic", "scout"]),
        (Choice(Order.TOKENS), ["writer", "critic", "scout"]),
        (Choice(Order.NAME), ["crew", "critic", "root", "scout", "writer"]),
        (Choice(glob="cr*"), ["crew", "critic"]),
        (Choice(doing=Doing.BUSY), ["writer", "critic"]),
        (Choice(doing=Doing.PAUSED), ["scout"]),
        (Choice(doing=Doing.RESTARTING), ["scout"]),
        (Choice(search="USER-42"), ["critic"]),
        (Choice(search="draft"), ["writer"]),
        (Choice(Order.NAME, glob="*r*", search="i"), ["critic", "writer"]),
    ],
)
def test_agents_are_sorted_and_chosen(choice: Choice, found: list[str]) -> None:
    assert names(choice) == found


def test_everything_is_the_tree() -> None:
    guides = [guide for guide, _ in chosen(TEAM, Choice())]
    assert guides == ["", "├── ", "└── ", "    ├── ", "    └── "]


@pytest.mark.promise(id="SEM-1774")
@pytest.mark.parametrize("width", [20, 40, 60, 80, 132])
def test_a_narrow_terminal_leaves_columns_out_and_breaks_no_line(width: int) -> None:
    lines = screen(board(), width)
    assert len(lines) == 12
    assert max(map(cell_len, lines)) <= width
    assert any("writer" in line for line in lines)
    if width >= 40:
        assert any("running" in line for line in lines)


@pytest.mark.promise(id="SEM-1774")
def test_of_a_thousand_agents_those_around_the_marked_one_are_shown() -> None:
    many = Board(Choice())
    many.see(overview([supervisor("root"), *(agent(f"a{n}") for n in range(1000))]))
    press(many, "end")
    assert screen(many)[-2].split()[:2] == ["└──", "a999"]
    press(many, "page up")
    assert "a989" in "".join(screen(many))
    press(many, "home", "down")
    lines = screen(many)
    assert "a0" in lines[3]
    assert len(lines) == 12


@pytest.mark.promise(id="SEM-1772")
def test_keys_move_sort_and_search() -> None:
    top = board()
    press(top, "j", "down", "k")
    assert top.selected == "writer"
    press(top, "s")
    assert (top.choice.order, top.selected) == (Order.MAILBOX, "writer")
    assert "by mailbox" in screen(top)[-1]
    press(top, "/", "c", "r", "x", "backspace")
    assert screen(top)[-1].startswith("/cr")
    assert [each["name"] for _, each in top.rows] == ["critic"]
    press(top, "enter", "escape")
    assert len(top.rows) == 3
    press(top, "/", "q")
    assert not top.over
    assert top.rows == []
    assert "no agent fits" in "\n".join(screen(top))
    press(top, "escape", "q")
    assert top.over


@pytest.mark.promise(id="SEM-1772")
def test_one_agent_is_looked_into_page_by_page() -> None:
    top = board()
    press(top, "j", "enter")
    assert "looking" in screen(top)[2]
    frame = {"file": "agents.py", "line": 7, "function": "Writer.handle", "code": "await reply()"}
    error = {
        "time": NOW,
        "message": "m-0",
        "error": "KeyError: 'by'",
        "traceback": "line 1\nline 2",
    }
    more = {"stack": [frame], "errors": [error] * 20, "queue": [], "state": {"n": 1}}
    top.look({**TEAM[1], **more, "conversations": ["user-7"]}, [])
    assert "    await reply()" in screen(top, height=20)
    press(top, "right")
    lines = screen(top)
    assert "KeyError: 'by'" in lines[2]
    assert lines[3:5] == ["    line 1", "    line 2"]
    press(top, "end")
    assert screen(top)[-2] == "    line 2"
    press(top, "3")
    assert "No message waits." in screen(top)
    press(top, "4")
    assert '    "n": 1' in screen(top)
    press(top, "right")
    assert "  user-7" in screen(top)
    press(top, "q")
    assert top.looks_into is None
    assert not top.over


@pytest.mark.promise(id="SEM-1773")
@pytest.mark.parametrize(
    ("key", "action"), [("r", "restart"), ("x", "stop"), ("p", "pause"), ("c", "resume")]
)
def test_what_acts_asks_first(key: str, action: str) -> None:
    top = board()
    assert press(top, "j", key) is None
    assert f"{action} 'writer'? y does it" in screen(top)[-1]
    assert press(top, "n") is None
    assert press(top, "y") is None
    act = press(top, key, "y")
    assert act is not None
    assert (act.action, act.on) == (action, "writer")


def test_a_supervisor_is_asked_about_with_all_below_it_and_a_stopped_agent_is_started() -> None:
    top = board()
    press(top, "end", "k", "k", "x")
    assert "stop 'crew' and all below it?" in screen(top)[-1]
    stopped = Board(Choice())
    stopped.see(overview([agent("a", None, status="stopped")]))
    act = press(stopped, "r", "y")
    assert act is not None
    assert act.action == "start"


@pytest.mark.promise(id="SEM-1773")
def test_the_run_in_hand_or_the_marked_one_is_cancelled() -> None:
    top = board()
    assert press(top, "K") is None
    assert "has no run in hand" in screen(top)[-1]
    act = press(top, "j", "K", "y")
    assert act is not None
    assert (act.action, act.on) == ("cancel", "run-1")
    press(top, "enter", "6")
    runs = [
        {"run": f"order-{n}", "status": "running", "since": NOW, "step": "", "ended": None}
        for n in range(3)
    ]
    top.look(TEAM[1], runs)
    act = press(top, "j", "K", "y")
    assert act is not None
    assert act.on == "order-1"


def test_an_update_keeps_the_order_and_forgets_who_is_gone() -> None:
    top = board()
    press(top, "end")
    later = overview([agent("writer", tokens=1300)], whole=False, gone=["scout"])
    top.see(later)
    assert list(top.agents) == ["root", "writer", "crew", "critic"]
    assert top.agents["writer"]["tokens"] == 1300
    assert top.selected == "root"


def test_who_does_not_answer_is_said_above() -> None:
    node = {"name": "w", "status": "up", "silent": 12.0}
    top = Board(Choice())
    top.see(overview(TEAM, nodes=[node, {**node, "name": "v", "status": "down", "silent": 0.0}]))
    lines = screen(top)
    assert lines[1] == "process w has not answered for 12 s"
    assert lines[2] == "process v is down"
    assert "no answer for 3 s" in text_of(drawn(top, 120, 12, "no answer for 3 s"))


def test_what_agents_wrote_cannot_write_over_the_screen() -> None:
    evil = "\x1b[2J\u202e\nx"
    top = Board(Choice())
    top.see(overview([agent(evil, None, handling=handled(1, step=evil))]))
    for keys in ((), ("p",), ("escape", "enter")):
        press(top, *keys)
        text = text_of(drawn(top, 120, 12))
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_the_help_names_every_key_and_any_key_leaves_it() -> None:
    top = board()
    press(top, "?")
    assert any("restart it" in line for line in screen(top, height=25))
    press(top, "q")
    assert not top.over
    assert "writer" in "\n".join(screen(top))


@pytest.mark.parametrize(
    ("typed", "keys", "rest"),
    [
        ("jé\r\x7f", ["j", "é", "enter", "backspace"], ""),
        ("\x1b[A\x1bOB\x1b[5~\x1b[H", ["up", "down", "page up", "home"], ""),
        ("\x1b", [], "\x1b"),
        ("\x1b[", [], "\x1b["),
        ("\x1b[5", [], "\x1b[5"),
        ("\x1bq", ["escape", "q"], ""),
        ("\x1b[1;5Cx", ["x"], ""),
        ("\x00\x01a", ["a"], ""),
    ],
)
def test_what_is_typed_becomes_keys(typed: str, keys: list[str], rest: str) -> None:
    assert decoded(typed) == (keys, rest)


def test_a_selected_line_is_marked() -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, height=12, force_terminal=True, color_system="standard")
    console.print(drawn(board(), 80, 12))
    marked = [line for line in out.getvalue().splitlines() if "\x1b[1;7m" in line or "[7m" in line]
    assert len(marked) == 1
    assert "root" in marked[0]


@pytest.mark.promise(id="SEM-1757")
def test_what_does_not_go_on_by_itself_is_on_the_first_screen_of_80_columns() -> None:
    top = Board(Choice())
    away = {"name": "worker", "status": "up", "silent": 7.0}
    stuck = agent("indexer", node="worker")
    crashes = agent("courier", restarts=3, last_error="KeyError")
    top.see(overview([supervisor("root"), stuck, crashes], nodes=[away], questions=2))
    text = "\n".join(screen(top, 80))
    assert "K cancel run" in text
    assert "process worker has not answered for 7.0 s" in text
    assert "2 runs wait for a human" in text
    (row,) = (line for line in text.splitlines() if "indexer" in line)
    assert "process silent for 7.0 s" in row
    (row,) = (line for line in text.splitlines() if "courier" in line)
    assert "KeyError" in row
