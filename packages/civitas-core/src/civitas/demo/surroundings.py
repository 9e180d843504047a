"""What the demo sets up around the team, and takes away again: a model, a folder for files, quiet logs."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from civitas.demo.requirements import CREW, crew_python
from civitas.demo.script import answer
from civitas.demo.scripted_openai import environment, scripted_openai

__all__ = ["TEAM", "model_in_reach", "settled", "show_steps"]

TEAM = Path(__file__).parent / "team"

# Seconds that the scripted model takes, so that its calls can be seen in the trace.
_LATENCY = 0.12


@contextmanager
def model_in_reach() -> Iterator[str]:
    """Point the frameworks at a model, and say which: the user's own, or a scripted one for the time being."""
    with scripted_openai(answer, latency=_LATENCY) as server:
        if server is None:
            model = os.environ.get("OPENAI_MODEL", "gpt-4o-mini")
            yield f"{model} at {os.environ.get('OPENAI_BASE_URL') or 'the OpenAI API'}"
            return
        yield (
            f"a scripted one on {server.url.partition('//')[2].partition('/')[0]}, no model at all; "
            "set OPENAI_API_KEY or OPENAI_BASE_URL for a real one"
        )


@contextmanager
def settled(*, verbose: bool) -> Iterator[None]:
    """The team's folder on the path; what frameworks write goes to a folder that is removed; logs stay quiet."""
    with ExitStack() as stack:
        scratch = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="civitas-demo-", ignore_cleanup_errors=True)
        )
        stack.enter_context(
            environment(
                # CrewAI keeps a database, a key and lock files in the user's folders, and reads the nearest .env.
                HOME=scratch,
                XDG_DATA_HOME=scratch,
                CREWAI_STORAGE_DIR="demo",
                PYTHON_DOTENV_DISABLED="true",
                # For the crew's process, which inherits this environment.
                TMPDIR=scratch,
                **{CREW: crew_python()},
            )
        )
        stack.callback(setattr, tempfile, "tempdir", tempfile.tempdir)
        tempfile.tempdir = scratch
        root = logging.getLogger()
        # With no handler at all, Python would print warnings on stderr.
        handler = logging.StreamHandler() if verbose else logging.NullHandler()
        root.addHandler(handler)
        stack.callback(root.removeHandler, handler)
        if not verbose:
            # The crew's process logs as much as this one does, and its lines would come straight to the console.
            civitas = logging.getLogger("civitas")
            stack.callback(civitas.setLevel, civitas.level)
            civitas.setLevel(logging.CRITICAL)
        sys.path.insert(0, str(TEAM))
        stack.callback(sys.path.remove, str(TEAM))
        yield


@contextmanager
def show_steps(handler: logging.Handler) -> Iterator[None]:
    """Hand what the coordinator logs to `handler`."""
    logger = logging.getLogger("civitas.demo")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
