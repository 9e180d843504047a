"""What a reply says of its run beside its payload: what the models used, and which tools failed."""

from __future__ import annotations

import json
from collections.abc import Iterable

from civitas.process.progress import USAGE

__all__ = ["FAILURES", "USAGE", "failures_of", "usage_of"]

FAILURES = "civitas-tool-failures"
"""The header with the tool calls that failed without ending the run."""

# Headers are short: the latest few failures, with the beginning of the text of each.
_MOST, _LONGEST = 20, 500


def usage_of(requests: int, input_tokens: int, output_tokens: int, total_tokens: int) -> str:
    """The value of the header `USAGE`: JSON text of an object with these four keys."""
    return json.dumps(
        {
            "requests": requests,
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "total_tokens": total_tokens,
        }
    )


def failures_of(failures: Iterable[tuple[str, str]]) -> str:
    """The value of the header `FAILURES`: JSON text `[{"name", "error"}, ...]`, the latest 20.

    Args:
        failures: For each call the name of the tool, and how the failure is described.
    """
    told = [{"name": name, "error": error[:_LONGEST]} for name, error in failures]
    return json.dumps(told[-_MOST:])
