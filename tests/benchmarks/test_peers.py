"""The comparison with others: how contestants are run, and what the page says of them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import textwrap
from pathlib import Path

import pytest

from benchmarks.peers import __main__ as bench
from benchmarks.peers import environments, mortal, page
from benchmarks.peers.contestant import Contestant, Failed
from benchmarks.peers.measure import Figures, Findings
from benchmarks.peers.registry import PEERS, Peer
from benchmarks.peers.works import WORKS

ROOT = Path(__file__).parents[2]
PROGRAM = """
    import os, subprocess, sys
    from benchmarks.peers import line

    async def work(size):
        print("this is no answer")
        subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(60)"], start_new_session=True)
        # Nothing in its variables says whose it is.
        subprocess.Popen(["cat"], env={}, stdin=subprocess.PIPE)
        return size / 2

    async def broken(size):
        raise ValueError("as told")

    async def gone(size):
        sys.stderr.write("the last words")
        os._exit(3)

    line.main(line.simply({"work": work, "broken": broken, "gone": gone}), "civitas-core")
"""


def contestant(folder: Path) -> Contestant:
    program = folder / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    return Contestant(
        ["env", "-C", str(folder), sys.executable, str(program)],
        folder / "log",
        {"PYTHONPATH": str(ROOT)},
    )


def test_a_contestant_answers_and_nothing_of_it_is_left(tmp_path: Path) -> None:
    with contestant(tmp_path) as running:
        assert running.versions["civitas-core"]
        assert running.do("work", 3).seconds == 1.5
        with pytest.raises(Failed, match="ValueError: as told"):
            running.do("broken", 1)
        assert len(list(running._processes())) == 3
        with pytest.raises(Failed, match="the last words"):
            running.do("gone", 1)
    assert not list(running._processes())


def test_a_contestant_that_does_not_answer_is_ended(tmp_path: Path) -> None:
    program = """echo '{"versions": {}}'; printf half; sleep 60"""
    with Contestant(["sh", "-c", program], tmp_path / "log", {}, longest=0.2) as running:
        with pytest.raises(Failed, match=r"no answer within 0\.2 s"):
            running.do("work", 1)
        assert not list(running._processes())


async def test_a_worker_that_ends_by_itself_ends_what_waits_for_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with pytest.raises(RuntimeError, match="3 times, now with 7: no room"):
        async with mortal.kept_up(["sh", "-c", "echo no room; exit 7"], log, {}):
            await asyncio.Event().wait()
    assert log.read_text().count("no room") == 3


async def test_a_worker_is_started_again_as_often_as_it_is_killed(tmp_path: Path) -> None:
    program = 'echo >> log; [ "$(wc -l < log)" -gt 5 ] && : > done && exec sleep 60; kill -9 $$'
    async with mortal.kept_up(
        ["sh", "-c", f"cd {tmp_path}; {program}"], tmp_path / "said", os.environ
    ):
        while not (tmp_path / "done").exists():
            await asyncio.sleep(0.001)


def test_a_peer_that_cannot_be_had_says_why(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(environments, "_ALL", tmp_path)
    with pytest.raises(Failed, match="no apt-get"):
        environments.install(Peer("none", "None", (), "", debian="none"))


def findings(**clocks: list[float]) -> Findings:
    figures = {
        peer: Figures(clock, [second / 1e6 for second in clock]) for peer, clock in clocks.items()
    }
    versions = {peer: {"it": "1.0"} for peer in clocks}
    return Findings({"ask": figures}, versions, {"dbos": "there is none"})


def written(found: Findings, file: Path) -> str:
    file.write_text(f"Above.\n{page.BEGIN}\nold\n{page.END}\nBelow.\n")
    page.write(file, found, "On a machine.")
    return file.read_text()


def test_the_page_keeps_what_is_written_by_hand(tmp_path: Path) -> None:
    found = findings(civitas=[10.0, 10.0, 20.0], pykka=[20.0, 20.0, 20.0])
    text = written(Findings.of(found.as_data()), tmp_path / "page.md")
    assert text.startswith("Above.")
    assert text.endswith("Below.\n")
    assert "old" not in text
    assert "| pykka | 20 µs | 20 to 20 | 20 µs | 0.50 x |" in text
    assert "- DBOS: there is none" in text


def test_where_a_peer_does_better_the_page_says_why(tmp_path: Path) -> None:
    found = findings(civitas=[10.0], erlang=[1.0], dbos=[2.0])
    text = written(found, tmp_path / "page.md")
    assert PEERS["erlang"].why["ask"] in " ".join(text.split())
    assert page.unexplained(found) == [f"DBOS: {WORKS['ask'].title}"]


def drawn(found: Findings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What the page says after the program has drawn it from figures."""
    data, file = folder / "figures.json", folder / "peers.md"
    data.write_text(json.dumps({"said": "On a machine.", "found": found.as_data()}))
    file.write_text(f"{page.BEGIN}\nold\n{page.END}\n")
    monkeypatch.setattr(bench, "_PAGE", file)
    monkeypatch.setattr(sys, "argv", ["peers", "--drawn-from", str(data)])
    assert bench.main() == 0
    return file.read_text()


def test_a_part_of_the_figures_is_printed_and_leaves_the_page_as_it_is(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    text = drawn(findings(civitas=[10.0], pykka=[20.0]), tmp_path, monkeypatch)
    assert "old" in text
    assert "| pykka | 20 µs |" in capsys.readouterr().out


def test_the_page_is_written_when_all_was_measured(tmp_path: Path, monkeypatch) -> None:
    found = findings(civitas=[10.0])
    found.figures = dict.fromkeys(WORKS, found.figures["ask"])
    found.failed = {f"{peer} send": "it ended" for peer in PEERS if peer != "dbos"}
    assert "old" in drawn(found, tmp_path, monkeypatch)
    found.failed |= {"dbos": "it cannot be had"}
    assert "old" not in drawn(found, tmp_path, monkeypatch)


def test_a_round_is_as_long_as_it_should_be_and_made_of_whole_parts() -> None:
    crowd = WORKS["crowd"]
    assert crowd.size(200, 0.2, 1.0) == 1000
    assert crowd.size(200, 1e-6, 1.0) == crowd.most
    assert crowd.size(200, 1000.0, 1.0) == crowd.steps
    assert crowd.figure(2.0, 1000) == 500
    assert WORKS["ask"].figure(2.0, 1000) == 2000
