"""Log records on stderr."""

from __future__ import annotations

import logging

from civitas.telemetry.readable import ReadableFormatter, escaped, placed

__all__ = ["show_logs"]


def show_logs(*, verbose: bool) -> None:
    """Print warnings and errors on stderr: with tracebacks when `verbose`, otherwise the first line of each."""
    handler = logging.StreamHandler()
    if verbose:
        handler.setFormatter(ReadableFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    else:
        handler.setFormatter(_FirstLine())
        handler.addFilter(_no_report)
    logging.getLogger().addHandler(handler)


class _FirstLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        error = record.exc_info[1] if record.exc_info else None
        text = record.getMessage().partition("\n")[0]
        what = f": {type(error).__name__}: {error}".partition("\n")[0] if error else ""
        return placed(f"{record.levelname.lower()}: {escaped(text + what)}", record)


def _no_report(record: logging.LogRecord) -> bool:
    """Leave out the supervisors' reports: the events on stdout say the same, in short."""
    return record.name != "civitas.supervision"
