"""Installed plugins: found by entry point, and left out with a word where they are broken."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

from civitas.errors import PluginError
from civitas.plugins import PluginManager

GOOD = """
import civitas.plugins
from civitas.state import InMemoryStateStore

class Shelf(InMemoryStateStore):
    pass

@civitas.plugins.hookimpl
def civitas_state_stores():
    return {"NAME": Shelf}
"""


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Installs a distribution with one module and one entry point, as an installer would leave it."""
    monkeypatch.syspath_prepend(tmp_path)

    def install(name: str, code: str, *, value: str | None = None) -> None:
        module = name.replace("-", "_")
        (tmp_path / f"{module}.py").write_text(code.replace("NAME", name))
        info = tmp_path / f"{module}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[civitas]\n{name} = {value or module}\n")
        # The folder is on the path already: a cached look at it must not hide what came since.
        monkeypatch.syspath_prepend(str(Path(tmp_path, ".", name, "..")))

    return install


def by_name(plugins: PluginManager):
    return {found.name: found for found in plugins.found()}


@pytest.mark.promise(id="SEM-701")
def test_an_installed_plugin_is_found_by_its_entry_point(install):
    install("shelf-one", GOOD)
    plugins = PluginManager()
    assert plugins.state_stores()["shelf-one"].__name__ == "Shelf"
    assert by_name(plugins)["shelf-one"].source == "shelf-one 1.2"


def test_nothing_is_looked_for_before_the_first_question(install, tmp_path):
    install("shelf-lazy", "open(__file__ + '.loaded', 'w').close()\n" + GOOD)
    plugins = PluginManager()
    assert not list(tmp_path.glob("*.loaded"))
    plugins.state_stores()
    assert list(tmp_path.glob("*.loaded"))


def test_discovery_can_be_left_out(install):
    install("shelf-none", GOOD)
    assert "shelf-none" not in PluginManager(discover=False).state_stores()


@pytest.mark.promise(id="SEM-704")
@pytest.mark.parametrize(
    ("name", "code", "error"),
    [
        (
            "gone-import",
            "import no_such_module",
            "ModuleNotFoundError: No module named 'no_such_module'",
        ),
        ("bad-syntax", "def", "SyntaxError"),
        ("leaves", "raise SystemExit(3)", "SystemExit: 3"),
        ("panics", "class Panic(BaseException): pass\nraise Panic('rust')", "Panic: rust"),
        (
            "leaves-in-hook",
            GOOD.replace("return", "raise SystemExit(3)\n    return"),
            "hook civitas_state_stores: raised SystemExit: 3",
        ),
        (
            "odd-dict",
            GOOD.replace(
                '{"NAME": Shelf}', "type('D', (dict,), {'items': lambda self: 1 / 0})(a=Shelf)"
            ),
            "hook civitas_state_stores: raised ZeroDivisionError",
        ),
        (
            "odd-class",
            GOOD.replace(
                "Shelf}", "type('M', (type,), {'__getattr__': lambda c, n: 1 / 0})('C', (), {})}"
            ),
            "hook civitas_state_stores: raised ZeroDivisionError",
        ),
        (
            "many-lines",
            GOOD.replace("return", "raise ValueError('one\\n\\ntwo')\n    return"),
            "raised ValueError: one two",
        ),
        (
            "wrong-hook",
            GOOD.replace("state_stores", "state_store"),
            "did you mean civitas_state_stores?",
        ),
        ("no-dict", GOOD.replace('{"NAME": Shelf}', "Shelf"), "return a dict"),
        ("taken", GOOD.replace("NAME", "sqlite"), "'sqlite' is taken by plugin 'civitas'"),
    ],
)
def test_a_broken_one_is_reported_and_the_others_work(install, caplog, name, code, error):
    install(name, code)
    install(f"fine-beside-{name}", GOOD)
    plugins = PluginManager()
    assert f"fine-beside-{name}" in plugins.state_stores()
    assert name not in plugins.state_stores()
    broken = by_name(plugins)[name]
    assert broken.error is not None
    assert error in broken.error
    assert broken.source == f"{name} 1.2"
    assert caplog.text.count(f"plugin {name!r}") == 1
    assert "it is left out" in caplog.text


def test_an_entry_point_to_nothing_is_reported(install):
    install("points-nowhere", GOOD, value="points_nowhere:plugin")
    error = by_name(PluginManager())["points-nowhere"].error
    assert error is not None
    assert "points_nowhere:plugin cannot be loaded" in error


def test_one_that_was_passed_explicitly_wins_over_an_installed_one(install):
    install("shelf-twice", GOOD)
    shelf_twice = importlib.import_module("shelf_twice")

    found = [each for each in PluginManager([shelf_twice]).found() if "twice" in each.name]
    assert [each.source for each in found] == ["passed as plugins="]


def test_a_broken_one_that_was_passed_explicitly_raises(install):
    install("shelf-raises", GOOD.replace("state_stores", "state_store"))
    shelf_raises = importlib.import_module("shelf_raises")

    with pytest.raises(PluginError):
        PluginManager([shelf_raises]).state_stores()
