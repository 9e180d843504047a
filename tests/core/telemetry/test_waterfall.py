"""The waterfall: complete traces, drawn so that a person can read them."""

from __future__ import annotations

import io
import time

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Status, StatusCode, set_span_in_context
from rich.console import Console

from civitas.errors import ConfigurationError
from civitas.telemetry import Tracing, names
from civitas.telemetry.waterfall import Waterfall, show_waterfall

MS = 1_000_000
BEGIN = 1_800_000_000_000_000_000


class Screen:
    """A terminal of a given width, and a provider whose traces are shown on it."""

    def __init__(self, width: int = 100, encoding: str = "utf-8", grace: float = 60.0) -> None:
        self._file = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
        self.waterfall = Waterfall(
            Console(file=self._file, width=width, color_system=None), grace=grace
        )
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(self.waterfall)
        self._tracer = self.provider.get_tracer("test")

    def begin(self, name: str, at: float, parent=None, **attributes):
        context = set_span_in_context(parent) if parent is not None else None
        return self._tracer.start_span(
            name, context, start_time=BEGIN + int(at * MS), attributes=attributes
        )

    def span(self, name: str, at: float, until: float, parent=None, **attributes):
        span = self.begin(name, at, parent, **attributes)
        span.end(BEGIN + int(until * MS))
        return span

    @property
    def text(self) -> str:
        self.waterfall.force_flush()
        return self._now

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @property
    def _now(self) -> str:
        return self._file.buffer.getvalue().decode(self._file.encoding)

    def line(self, name: str) -> str:
        found = [line for line in self.lines if name in line]
        assert len(found) == 1, self.text
        return found[0]


def bar(line: str) -> tuple[int, int]:
    """First and last column of the bar in a line."""
    cells = [column for column, sign in enumerate(line) if sign in "━╸╺✖↻◆"]
    return cells[0], cells[-1]


def test_a_complete_trace_is_drawn_as_a_tree_with_bars_in_time():
    screen = Screen()
    root = screen.begin("send planner", 0)
    process = screen.begin("process planner", 1, root)
    first = screen.begin("invoke_agent planner", 10, process)
    screen.span("chat gpt", 20, 50, first)
    first.end(BEGIN + 60 * MS)
    screen.span("execute_tool search", 60, 90, process)
    process.end(BEGIN + 95 * MS)
    root.end(BEGIN + 100 * MS)
    head, axis, *rows = screen.lines[1:]
    assert head.startswith("trace ")
    assert "100 ms" in head
    assert "5 spans" in head
    assert axis.split() == ["0", "50.0", "ms", "100", "ms"]
    assert [row.split("  ")[0] for row in (row.strip() for row in rows)] == [
        "send planner",
        "└╴process planner",
        "├╴invoke_agent planner",
        "│ └╴chat gpt",
        "└╴execute_tool search",
    ]
    assert [row.split()[-2:] for row in rows] == [
        ["100", "ms"], ["94.0", "ms"], ["50.0", "ms"], ["30.0", "ms"], ["30.0", "ms"],
    ]  # fmt: skip
    left, right = bar(rows[0])
    cells = right - left + 1
    for row, (start, end) in zip(
        rows, [(0, 100), (1, 95), (10, 60), (20, 50), (60, 90)], strict=True
    ):
        first_cell, last_cell = bar(row)
        assert first_cell - left == pytest.approx(start / 100 * cells, abs=1)
        assert last_cell + 1 - left == pytest.approx(end / 100 * cells, abs=1)


def test_nothing_is_drawn_while_a_span_is_open():
    screen = Screen()
    root = screen.begin("send planner", 0)
    screen.span("process planner", 1, 2, root)
    assert screen.text == ""
    root.end()
    assert "process planner" in screen.text


def test_a_trace_is_drawn_once():
    screen = Screen()
    screen.span("send planner", 0, 1)
    assert screen.text == screen.text
    assert screen.text.count("trace ") == 1


def test_traces_are_drawn_each_by_itself():
    screen = Screen()
    first, second = screen.begin("send a", 0), screen.begin("send b", 0)
    screen.span("process b", 1, 2, second)
    screen.span("process a", 1, 2, first)
    second.end()
    first.end()
    assert screen.text.count("trace ") == 2


def test_a_failed_span_says_why_below_itself():
    screen = Screen()
    span = screen.begin("process agent", 0)
    span.set_status(Status(StatusCode.ERROR, "ValueError: no such city\nsecond line"))
    span.end(BEGIN + MS)
    assert "1 failed" in screen.lines[1]
    assert screen.lines[-1].strip() == "✖ ValueError: no such city"


def test_an_error_that_came_up_from_a_child_is_said_once():
    screen = Screen()
    outer = screen.begin("process agent", 0)
    inner = screen.begin("execute_tool search", 1, outer)
    for span in (inner, outer):
        span.set_status(Status(StatusCode.ERROR, "ConnectionError: index is gone"))
        span.end(BEGIN + 2 * MS)
    assert screen.text.count("ConnectionError: index is gone") == 1
    assert screen.lines[-2].strip().startswith("└╴execute_tool search")


def test_a_crash_and_a_restart_are_marks_in_time():
    screen = Screen()
    span = screen.begin("process agent", 0)
    span.add_event(names.EVENT_CRASH, timestamp=BEGIN + 50 * MS)
    restart = screen.begin("restart agent", 50, span)
    restart.add_event(names.EVENT_RESTART, timestamp=BEGIN + 100 * MS)
    restart.end(BEGIN + 100 * MS)
    span.end(BEGIN + 100 * MS)
    crashed, restarted = screen.line("process agent"), screen.line("restart agent")
    left, right = bar(crashed)
    assert crashed.index("✖") - left == pytest.approx((right - left) / 2, abs=1)
    assert restarted.index("↻") == right


def test_attempts_and_tokens_stand_beside_the_name():
    screen = Screen()
    screen.span("process agent", 0, 1, **{names.MESSAGE_ATTEMPT: 1})
    screen.span("chat gpt", 0, 1, **{names.INPUT_TOKENS: 212, names.OUTPUT_TOKENS: 57})
    assert "process agent  attempt 2" in screen.text
    assert "chat gpt  212→57 tokens" in screen.text


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width):
    screen = Screen(width)
    span = screen.begin("send " + "long-name-" * 10, 0, **{names.CONVERSATION: "c" * 100})
    for depth in range(12):
        inner = screen.begin(f"process nested-agent-{depth}", depth, span)
        inner.set_status(Status(StatusCode.ERROR, f"ValueError {depth}: " + "very long " * 30))
        inner.end(BEGIN + 20 * MS)
    span.end(BEGIN + 20 * MS)
    assert max(map(len, screen.lines)) <= width
    assert "…" in screen.text


def test_wide_signs_keep_the_columns_aligned():
    screen = Screen(80)
    root = screen.begin("send 日本語のエージェント", 0)
    screen.span("process plain", 0, 10, root)
    root.end(BEGIN + 10 * MS)
    from rich.cells import cell_len

    first, second = screen.lines[-2:]
    assert cell_len(first) == cell_len(second)


def test_a_terminal_without_unicode_gets_plain_signs():
    screen = Screen(encoding="ascii")
    root = screen.begin("send grüße", 0)
    root.add_event(names.EVENT_CRASH, timestamp=BEGIN)
    inner = screen.begin("process x", 0, root)
    inner.set_status(Status(StatusCode.ERROR, "ValueError: größer"))
    inner.end(BEGIN + MS)
    root.end(BEGIN + MS)
    assert "`-process x" in screen.text
    assert "x ValueError: gr??er" in screen.text


def test_signs_that_would_disturb_the_terminal_are_left_out():
    screen = Screen()
    screen.span("send \x1b[31mred\nline", 0, 1)
    assert "\x1b" not in screen.text
    assert len(screen.lines) == 4


def test_a_trace_with_very_many_spans_is_cut_short():
    screen = Screen()
    root = screen.begin("send agent", 0)
    for n in range(300):
        screen.span(f"process {n}", n, n + 1, root)
    root.end(BEGIN + 400 * MS)
    assert len(screen.lines) == 204
    assert screen.lines[-1] == "… 101 more spans"


def test_what_follows_a_finished_trace_soon_is_drawn_with_it():
    screen = Screen()
    root = screen.span("send agent", 0, 1)
    screen.span("restart agent", 1, 2, root)
    assert screen.text.count("trace ") == 1
    assert "└╴restart agent" in screen.text


def test_what_follows_later_is_drawn_as_its_continuation():
    screen = Screen()
    root = screen.span("send agent", 0, 1)
    assert "send agent" in screen.text
    screen.span("restart agent", 1, 2, root)
    assert ", continued" in screen.text
    assert "restart agent" in screen.text


def test_a_complete_trace_is_drawn_without_anybody_asking():
    screen = Screen(grace=0.01)
    screen.span("send agent", 0, 1)
    until = time.monotonic() + 5
    while not screen._now.endswith(" ms\n"):
        assert time.monotonic() < until
        time.sleep(0.001)


def test_shutdown_draws_what_never_ended():
    screen = Screen()
    root = screen.begin("send agent", 0)
    screen.span("process agent", 0, 1, root)
    screen.provider.shutdown()
    assert "process agent" in screen._now


def test_a_terminal_that_went_away_hurts_nobody():
    screen = Screen()
    screen._file.close()
    screen.span("send agent", 0, 1)
    screen.waterfall.force_flush()


def test_a_trace_that_lasts_too_long_is_forgotten_and_hurts_nobody():
    screen = Screen()
    old = screen.begin("send old", 0)
    for n in range(1001):
        screen.begin(f"send {n}", 0)
    old.end()
    assert "send old" not in screen.text


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(999, "1 µs"), (450_000, "450 µs"), (1_500_000, "1.5 ms"), (250 * MS, "250 ms"),
     (3_210 * MS, "3.21 s"), (65_000 * MS, "1 m 05 s")],
)  # fmt: skip
def test_a_duration_has_the_unit_a_person_would_choose(nanoseconds, text):
    screen = Screen()
    screen.begin("send agent", 0).end(BEGIN + nanoseconds)
    assert screen.lines[-1].endswith(f" {text}")


def test_show_waterfall_joins_the_provider_that_is_installed(monkeypatch):
    provider = TracerProvider(shutdown_on_exit=False)
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    file = io.StringIO()
    waterfall = show_waterfall(Console(file=file, width=80))
    trace.get_tracer("app").start_span("send agent").end()
    waterfall.force_flush()
    assert "send agent" in file.getvalue()


@pytest.mark.promise(id="SEM-1707")
def test_the_waterfall_goes_along_when_the_application_sets_up_its_own_provider(monkeypatch):
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", TracerProvider(shutdown_on_exit=False))
    tracing = Tracing()
    tracing.refresh()
    file = io.StringIO()
    waterfall = show_waterfall(Console(file=file, width=80))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", TracerProvider(shutdown_on_exit=False))
    tracing.look()
    tracing.start_send("agent", "question", "id", None).end()
    waterfall.force_flush()
    assert file.getvalue().count("send agent") == 1
    waterfall.shutdown()
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", TracerProvider(shutdown_on_exit=False))
    tracing.look()
    tracing.start_send("agent", "question", "id", None).end()
    waterfall.force_flush()
    assert file.getvalue().count("send agent") == 1


def test_show_waterfall_refuses_a_provider_that_takes_no_processor(monkeypatch):
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", trace.NoOpTracerProvider())
    with pytest.raises(ConfigurationError, match="NoOpTracerProvider"):
        show_waterfall()
