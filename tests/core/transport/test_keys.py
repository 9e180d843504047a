"""The file with the keys of a system."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from civitas.errors import ConfigurationError
from civitas.transport.zmq.keys import Keys


def test_what_was_saved_is_loaded(tmp_path):
    keys = Keys.new()
    keys.save(tmp_path / "civitas.keys")
    assert Keys.load(tmp_path / "civitas.keys") == keys


def test_no_two_pairs_are_the_same():
    assert Keys.new() != Keys.new()


def test_the_owner_alone_may_read_the_file(tmp_path):
    Keys.new().save(tmp_path / "civitas.keys")
    assert stat.S_IMODE((tmp_path / "civitas.keys").stat().st_mode) == 0o600


def test_a_file_that_others_may_read_is_refused(tmp_path):
    Keys.new().save(tmp_path / "civitas.keys")
    (tmp_path / "civitas.keys").chmod(0o640)
    with pytest.raises(ConfigurationError, match="chmod 600"):
        Keys.load(tmp_path / "civitas.keys")


def test_a_file_that_is_there_is_not_overwritten(tmp_path):
    first = Keys.new()
    first.save(tmp_path / "civitas.keys")
    with pytest.raises(ConfigurationError, match="already exists"):
        Keys.new().save(tmp_path / "civitas.keys")
    assert Keys.load(tmp_path / "civitas.keys") == first


def test_a_file_that_is_missing_is_named_with_the_command_that_makes_one(tmp_path):
    with pytest.raises(ConfigurationError, match=r"No such file.*civitas keys new"):
        Keys.load(tmp_path / "civitas.keys")


def test_a_folder_that_is_missing_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="No such file"):
        Keys.new().save(tmp_path / "missing" / "civitas.keys")


@pytest.mark.parametrize("text", ["", "garbage", 'public = "short"\nsecret = "short"', "\udcff"])
def test_a_file_without_keys_is_refused(tmp_path, text):
    file = tmp_path / "civitas.keys"
    file.touch(0o600)
    file.write_text(text, errors="surrogateescape")
    with pytest.raises(ConfigurationError):
        Keys.load(file)


@pytest.mark.promise(id="SEM-1173")
@pytest.mark.parametrize("half", ["public", "secret"])
@pytest.mark.parametrize("other", [None, "~" * 40])
def test_halves_of_different_pairs_are_refused_when_they_are_read(tmp_path, half, other):
    file = tmp_path / "civitas.keys"
    replace(Keys.new(), **{half: other or getattr(Keys.new(), half)}).save(file)
    with pytest.raises(ConfigurationError, match="do not belong together; copy the file") as told:
        Keys.load(file)
    assert str(file) in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.promise(id="SEM-1175")
def test_two_processes_that_want_keys_kept_at_once_have_the_same(tmp_path):
    file = tmp_path / "keys"
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda _: Keys.kept_in(file), range(32)))
    assert found == {Keys.load(file)}
    assert list(tmp_path.iterdir()) == [file]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_the_token_of_keys_is_another_for_each_and_does_not_hold_them():
    one, other = Keys.new(), Keys.new()
    assert one.token == Keys(one.public, one.secret).token != other.token
    assert one.secret not in one.token


def test_the_secret_key_is_not_shown():
    keys = Keys.new()
    assert keys.secret not in repr(keys)
