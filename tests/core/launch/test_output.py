"""What stands in the place of `sys.stdout` while a system runs is a stream like any other."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from civitas.launch import QueuedStream


@pytest.fixture
def console(tmp_path: Path) -> Iterator[tuple[Any, Path]]:
    path = tmp_path / "console"
    with path.open("w", encoding="utf-8") as file:
        stream = QueuedStream(file)
        yield stream, path
        stream.drain()


@pytest.mark.promise(id="SEM-1261")
def test_a_queued_stream_takes_bytes_and_is_told_how_to_write(console: tuple[Any, Path]) -> None:
    stream, path = console
    stream.reconfigure(line_buffering=True)
    stream.buffer.write(b"caf\xe9\n")
    stream.write("café \ud800\n")
    stream.writelines(["a\n", "b\n"])
    stream.drain()
    assert path.read_bytes() == b"caf\xe9\n" + "café \\ud800\na\nb\n".encode()
    assert (stream.line_buffering, stream.name, stream.mode) == (True, str(path), "w")


@pytest.mark.promise(id="SEM-1261")
@pytest.mark.parametrize("wrong", [b"bytes", None, 5])
def test_what_is_no_text_is_refused_and_the_next_line_is_written(
    console: tuple[Any, Path], wrong: object
) -> None:
    stream, path = console
    with pytest.raises(TypeError, match=type(wrong).__name__):
        stream.write(wrong)
    stream.write("next\n")
    stream.drain()
    assert path.read_text() == "next\n"


@pytest.mark.promise(id="SEM-1261")
def test_a_stream_that_fails_in_its_own_way_does_not_silence_the_others(
    console: tuple[Any, Path],
) -> None:
    class Odd:
        encoding = errors = None

        def flush(self) -> None: ...
        def fileno(self) -> int:
            raise OSError

        def write(self, text: str) -> int:
            raise LookupError(text)

    stream, path = console
    QueuedStream(Odd()).write("lost\n")  # type: ignore[arg-type]
    stream.write("told\n")
    stream.drain()
    assert path.read_text() == "told\n"


@pytest.mark.promise(id="SEM-1261")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_process_that_was_forked_writes_by_itself(console: tuple[Any, Path]) -> None:
    stream, path = console
    child = os.fork()
    if child == 0:
        stream.write("from the fork\n")
        os._exit(0)
    os.waitpid(child, 0)
    assert path.read_text() == "from the fork\n"
    assert sys.stdout is not stream
