"""From an exception to a line on stderr and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from civitas.errors import CivitasError, StartFailed, TopologyError
from civitas.frameworks import comes_from
from civitas.telemetry.readable import escaped

__all__ = ["Refused", "guarded", "say"]

FAILED, MISUSED, INTERRUPTED = 1, 2, 130


class Refused(CivitasError):
    """A command cannot do what was asked; nothing was changed."""


def guarded(command: Callable[[], Any], *, verbose: bool) -> int:
    """Run `command`; whatever it raises becomes a line on stderr and an exit code."""
    try:
        result = command()
        _flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _write_no_more()  # whoever read our output is gone, as in `| head`
        return FAILED
    except Exception as error:
        return _report(error, verbose=verbose)
    return result if isinstance(result, int) else 0


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _write_no_more()
        raise Refused(f"the output cannot be written: {error.strerror}") from error


def _write_no_more() -> None:
    """Python would complain once more when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say(line: str) -> None:
    """Print a line on stderr."""
    with suppress(OSError):
        print("\n".join(map(escaped, line.split("\n"))), file=sys.stderr, flush=True)


def _report(error: Exception, *, verbose: bool) -> int:
    if _is_usage(error):
        return _misused(error)
    if verbose:
        traceback.print_exception(error)
    hint = "" if verbose else " (--verbose shows where)"
    told = error.cause if isinstance(error, StartFailed) else error
    if isinstance(told, TopologyError):  # an OS process of its own finds it out when it starts
        say(str(told))  # it begins with file and line, where editors look for them
    elif isinstance(error, StartFailed):
        say(f"civitas: {_one_line(str(error))}{hint}")
    elif isinstance(error, CivitasError):
        say(f"civitas: {_one_line(str(error))}")
    else:
        say(f"civitas: unexpected {_last_line(error)}{hint}")
    return FAILED


def _is_usage(error: Exception, *names: str) -> bool:
    """Whether `error` is one of Typer's, whose versions have Click's classes inside them or beside them."""
    return comes_from(error, "typer", *names) or comes_from(error, "click", *names)


def _one_line(text: str) -> str:
    # What a user's own code raised may be text of many lines.
    return " ".join(text.split())


def _last_line(error: Exception) -> str:
    return "".join(traceback.format_exception_only(error)).strip().splitlines()[-1]


def _misused(error: Any) -> int:
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "civitas"
    text = " ".join(str(error.format_message()).split())
    text += "" if text.endswith((".", "?")) else "."
    if _is_usage(error, "NoArgsIsHelpError"):
        print(error.format_message(), file=sys.stderr)
    else:
        say(f"{command}: {text} Try '{command} --help'")
    return int(getattr(error, "exit_code", MISUSED))
