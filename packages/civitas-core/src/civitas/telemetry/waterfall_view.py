"""Draws one trace: who called whom, when, for how long, and what went wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry.trace import StatusCode
from rich.text import Text

from civitas.telemetry import names
from civitas.telemetry.readable import cut, escaped
from civitas.telemetry.span_tree import SpanNode, failure_of, nested, trace_id_of

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from rich.console import Console

__all__ = ["draw"]

_ROWS = 200
_DURATION = 8
_GAP = 2

# First word of a span's name to its colour. Red means failed, and magenta looks like it in many themes.
_STYLES = {
    "send": "bright_black",
    "process": "cyan",
    "invoke_agent": "blue",
    "invoke_workflow": "blue",
    "chat": "green",
    "execute_tool": "yellow",
    "crash": "bold red",
    "gave_up": "bold red",
    "restart": "bold green",
    "dead_letter": "bold yellow",
}


@dataclass(frozen=True, slots=True)
class _Signs:
    full: str
    left: str  # the left half of a cell
    right: str  # the right half of a cell
    branch: str
    last: str
    line: str
    blank: str
    more: str
    events: Mapping[str, str]
    event: str
    micro: str


_UNICODE = _Signs(
    "━", "╸", "╺", "├╴", "└╴", "│ ", "  ", "…",
    {
        "exception": "✖",
        names.EVENT_CRASH: "✖",
        names.EVENT_GAVE_UP: "✖",
        names.EVENT_RESTART: "↻",
        names.EVENT_DEAD_LETTER: "✉",
    },
    "◆", "µs",
)  # fmt: skip
_ASCII = _Signs(
    "=", "-", "-", "|-", "`-", "| ", "  ", "~",
    {
        "exception": "x",
        names.EVENT_CRASH: "x",
        names.EVENT_GAVE_UP: "x",
        names.EVENT_RESTART: "R",
        names.EVENT_DEAD_LETTER: "D",
    },
    "*", "us",
)  # fmt: skip

_BAD = ("exception", names.EVENT_CRASH, names.EVENT_GAVE_UP)


def draw(
    spans: Sequence[ReadableSpan], console: Console, *, continued: bool = False
) -> Iterator[Text]:
    """The lines of a trace, as wide as the console.

    Args:
        spans: The finished spans of one trace.
        console: Says how wide a line may be and which signs it can show.
        continued: Whether an earlier part of the trace was printed before.
    """
    signs = _UNICODE if "utf" in console.encoding.lower() else _ASCII
    width = max(console.width, 40)
    roots = nested(spans)
    begin = min(node.start for node in roots)
    end = max((span.end_time or 0) for span in spans)
    rows = list(_rows(roots, signs))
    labels = [_label(node, guide, signs) for node, guide, _ in rows[:_ROWS]]
    column = min(max(label.cell_len for label in labels), max(width * 9 // 20, 20))
    bar = width - column - _DURATION - 2 * _GAP
    scale = _Scale(begin, max(end - begin, 1), bar, signs)
    yield Text()
    yield _head(spans, roots, scale, continued, width, signs)
    yield _axis(scale, column)
    for (node, _, below), full in zip(rows, labels, strict=False):
        label = _fit(full, column, signs)
        yield Text.assemble(
            label,
            " " * (column - label.cell_len + _GAP),
            scale.bar(node),
            " " * _GAP,
            (scale.duration(node.end - node.start).rjust(_DURATION), "bold" if node.failed else ""),
        )
        if message := _clean(failure_of(node), signs):
            bad = signs.events["exception"]
            yield _fit(Text.assemble((below, "dim"), (f"{bad} {message}", "red")), width, signs)
    if len(rows) > _ROWS:
        yield Text(f"{signs.more} {len(rows) - _ROWS} more spans", style="dim")


def _rows(roots: Sequence[SpanNode], signs: _Signs) -> Iterator[tuple[SpanNode, str, str]]:
    """Each node with the guide before its name, and the one for a line below it."""
    waiting = [(node, "", "") for node in reversed(roots)]
    while waiting:
        node, guide, indent = waiting.pop()
        below = indent + (signs.line if node.children else signs.blank)
        yield node, guide, below
        for child in reversed(node.children):
            last = child is node.children[-1]
            waiting.append(
                (
                    child,
                    indent + (signs.last if last else signs.branch),
                    indent + (signs.blank if last else signs.line),
                )
            )


def _label(node: SpanNode, guide: str, signs: _Signs) -> Text:
    attributes = node.span.attributes or {}
    operation, _, rest = _clean(node.span.name, signs).partition(" ")
    label = Text.assemble((guide, "dim"), (operation, _style(node)))
    if rest:
        label.append(f" {rest}", "bold" if node.failed else "")
    attempt = attributes.get(names.MESSAGE_ATTEMPT)
    if isinstance(attempt, int):
        label.append(f"  attempt {attempt + 1}", "dim")
    tokens = [attributes.get(key) for key in (names.INPUT_TOKENS, names.OUTPUT_TOKENS)]
    if any(tokens):
        arrow = "→" if signs is _UNICODE else ">"
        label.append(f"  {tokens[0] or 0}{arrow}{tokens[1] or 0} tokens", "dim")
    return label


def _style(node: SpanNode) -> str:
    if node.failed:
        return "red"
    return _STYLES.get(node.span.name.split(" ", 1)[0], "white")


def _clean(text: str, signs: _Signs) -> str:
    """Text of others, as this terminal can show it."""
    text = escaped(text)
    return text if signs is _UNICODE else text.encode("ascii", "replace").decode()


def _fit(text: Text, width: int, signs: _Signs) -> Text:
    if text.cell_len > width:
        text.truncate(width - 1, overflow="crop")
        text.append(signs.more)
    return text


def _head(
    spans: Sequence[ReadableSpan],
    roots: Sequence[SpanNode],
    scale: _Scale,
    continued: bool,
    width: int,
    signs: _Signs,
) -> Text:
    failed = sum(span.status.status_code is StatusCode.ERROR for span in spans)
    head = Text.assemble(
        ("trace ", "dim"),
        (f"{trace_id_of(spans[0]):032x}"[:8], "bold"),
        (", continued" if continued else "", "dim"),
        "  ",
        (scale.duration(scale.length), "bold"),
        (f"  {len(spans)} span{'s' if len(spans) != 1 else ''}", "dim"),
    )
    if failed:
        head.append(f"  {failed} failed", "bold red")
    conversation = (roots[0].span.attributes or {}).get(names.CONVERSATION)
    if conversation:
        head.append(f"  conversation {_clean(cut(str(conversation)), signs)}", "dim")
    return _fit(head, width, signs)


def _axis(scale: _Scale, column: int) -> Text:
    middle, end = scale.duration(scale.length // 2), scale.duration(scale.length)
    cells = list("0".ljust(scale.width))
    cells[scale.width - len(end) :] = end
    at = scale.width // 2 - len(middle) // 2
    if at > 2 and at + len(middle) < scale.width - len(end) - 1:
        cells[at : at + len(middle)] = middle
    return Text(" " * (column + _GAP) + "".join(cells), style="dim")


class _Scale:
    """From time to cells: each has two halves, so that a bar begins and ends within half a cell of the truth."""

    def __init__(self, begin: int, length: int, width: int, signs: _Signs) -> None:
        self.begin = begin
        self.length = length
        self.width = max(width, 8)
        self._signs = signs

    def half(self, moment: int) -> int:
        return (moment - self.begin) * (self.width * 2) // self.length

    def bar(self, node: SpanNode) -> Text:
        first = min(max(self.half(node.start), 0), self.width * 2 - 1)
        last = min(max(self.half(node.end), first + 1), self.width * 2)
        cells = [" "] * self.width
        for cell in range(first // 2, (last + 1) // 2):
            left, right = first <= cell * 2 < last, first <= cell * 2 + 1 < last
            if left or right:
                sign = self._signs.full if left and right else self._signs.left
                cells[cell] = sign if left else self._signs.right
        bar = Text("".join(cells), style=_style(node))
        for event in node.span.events:
            at = min(max(self.half(event.timestamp) // 2, 0), self.width - 1)
            sign = self._signs.events.get(event.name, self._signs.event)
            style = "bold red" if event.name in _BAD else "bold green"
            if event.name not in self._signs.events:
                style = "bold"
            bar = Text.assemble(bar[:at], (sign, style), bar[at + 1 :])
        return bar

    def duration(self, nanoseconds: int) -> str:
        if nanoseconds < 1_000_000:
            return f"{nanoseconds / 1000:.0f} {self._signs.micro}"
        if nanoseconds < 1_000_000_000:
            return f"{nanoseconds / 1e6:.{1 if nanoseconds < 1e8 else 0}f} ms"
        if nanoseconds < 60_000_000_000:
            return f"{nanoseconds / 1e9:.2f} s"
        minutes, seconds = divmod(nanoseconds // 1_000_000_000, 60)
        return f"{minutes} m {seconds:02} s"
