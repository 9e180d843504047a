"""What `make test` and `make test-deep` pick."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis.strategies import none

ROOT = Path(__file__).parents[2]
SOURCE = """
    import pytest
    from hypothesis import given, strategies
    from tests.deep import further

    @pytest.mark.parametrize("where", ["first", *further("second")])
    def test_of_a_parameter(where):
        pass

    @given(strategies.none())
    def test_of_hypothesis(value):
        pass

    def test_of_no_depth():
        pass
"""
LONGER = """
    from tests.deep import DEEP

    def test_looks_longer():
        pass
"""


@pytest.mark.parametrize(
    ("deep", "picked"),
    [
        ("", ["parameter[first]", "hypothesis", "no_depth", "looks_longer"]),
        ("deep", ["parameter[second]", "hypothesis", "looks_longer"]),
    ],
)
def test_a_deep_run_is_of_what_has_more_to_look_at(pytester, monkeypatch, deep, picked):
    pytester.makepyfile(test_some=SOURCE, test_longer=LONGER)
    pytester.makeini("[pytest]\nfilterwarnings = error")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("CIVITAS_PROPERTIES", deep)
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    plugins = ("-p", "_hypothesis_pytestplugin", "-p", "tests.deep", "-p", "no:cacheprovider")
    result = pytester.runpytest_subprocess("--collect-only", "-q", *plugins)
    names = [line for line in result.outlines if "::" in line]
    assert len(names) == len(picked)
    assert all(any(word in name for name in names) for word in picked)


def test_a_collector_that_freezes_what_it_has_looked_at_does_not_stop_hypothesis():
    def freeze(phase, info):
        gc.freeze()

    gc.callbacks.append(freeze)
    try:
        settings(derandomize=True, max_examples=1, database=None)(given(none())(lambda _: None))()
    finally:
        gc.callbacks.remove(freeze)
        gc.unfreeze()
