"""`civitas keys new`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from civitas.transport.zmq.keys import Keys
from tests.core.cli.support import Result

Civitas = Callable[..., Result]


@pytest.fixture(autouse=True)
def _in_a_fresh_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_new_makes_keys_and_says_what_to_write(civitas: Civitas) -> None:
    result = civitas("keys", "new")
    assert result.code == 0
    assert Keys.load("civitas.keys").public not in result.out
    assert "transport: {type: zmq, address: 'tcp://HOST:PORT', keys: civitas.keys}" in result.out


def test_new_takes_another_file(civitas: Civitas) -> None:
    assert civitas("keys", "new", "other.keys").code == 0
    Keys.load("other.keys")


def test_new_does_not_overwrite(civitas: Civitas) -> None:
    civitas("keys", "new")
    first = Keys.load("civitas.keys")
    result = civitas("keys", "new")
    assert result.code == 1
    assert "civitas.keys already exists" in result.err
    assert Keys.load("civitas.keys") == first
