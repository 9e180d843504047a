"""The pytest plugin, in pytest runs of its own."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

AGENT = """
from civitas import AgentProcess, Supervisor

class Counter(AgentProcess):
    async def on_start(self):
        self.n = 0

    async def handle(self, message):
        self.n += 1
        return self.reply({"n": self.n})

    async def on_stop(self):
        print("stopped", self.name)
"""

SUITE = """
import pytest
from civitas.state import InMemoryStateStore
from civitas.testing import StateStoreSuite

class TestMine(StateStoreSuite):
    optional = {"keys", "close", "revisions", "batches"}

    @pytest.fixture
    def store(self):
        return Store()
"""


# Loaded by name: the other plugins of an environment take seconds to import.
PLUGINS = ("-p", "pytest_asyncio.plugin", "-p", "civitas_pytest")


both_modes = pytest.mark.parametrize("mode", ["auto", "strict"])


@pytest.fixture
def run(pytester, monkeypatch):
    """Runs a test module under pytest-asyncio."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")

    def run(source: str, *options: str, mode: str = "strict") -> pytest.RunResult:
        pytester.makepyfile(source)
        mode = f"asyncio_mode={mode}"
        return pytester.runpytest_subprocess(*PLUGINS, "-q", "-s", "-o", mode, *options)

    return run


@pytest.mark.promise(id="SEM-714")
@both_modes
def test_the_runtime_fixture_starts_a_runtime_and_stops_it_at_the_end(run, mode):
    result = run(
        AGENT
        + """
import pytest

@pytest.mark.asyncio
async def test_it(runtime):
    system = await runtime([Counter("a"), Counter("b")])
    assert (await system.ask("a", {})).payload == {"n": 1}
    print("asked")
""",
        mode=mode,
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*asked*", "*stopped b", "*stopped a"])


def test_the_runtime_fixture_takes_one_child_or_a_supervisor_and_keywords(run):
    run(
        AGENT
        + """
import pytest

@pytest.mark.asyncio
async def test_it(runtime):
    one = await runtime(Counter("only"), name="first")
    other = await runtime(Supervisor("top", [Counter("only")]), name="second")
    assert one.tree()["name"] == "root" and other.tree()["name"] == "top"
"""
    ).assert_outcomes(passed=1)


def test_a_runtime_is_stopped_when_the_test_fails_too(run):
    result = run(
        AGENT
        + """
import pytest

@pytest.mark.asyncio
async def test_it(runtime):
    await runtime(Counter("a"))
    assert False
"""
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*stopped a*"])


def test_the_probe_fixture_is_there_without_an_import(run):
    run("def test_it(probe):\n    probe(1)\n    assert probe.seen == [1]\n").assert_outcomes(
        passed=1
    )


@pytest.mark.promise(id="SEM-651")
@both_modes
def test_a_store_that_keeps_its_promises_passes_the_suite(run, mode):
    result = run(SUITE + "\nStore = InMemoryStateStore\n", mode=mode)
    outcomes = result.parseoutcomes()
    assert set(outcomes) <= {"passed", "skipped"}
    assert outcomes["passed"] > 30
    assert outcomes["skipped"] == 1


@pytest.mark.promise(id="SEM-651")
@pytest.mark.parametrize(
    ("store", "caught"),
    [
        (
            """
            class Store(InMemoryStateStore):
                async def write(self, changes, *, expect={}):
                    written = {}
                    for key, value in changes.items():
                        seen = {key: expect[key]} if key in expect else {}
                        written |= await super().write({key: value}, expect=seen)
                    return written
            """,
            "test_a_batch_that_expects_another_revision_changes_nothing",
        ),
        (
            """
            class Store:
                def __init__(self): self.values = {}
                async def get(self, key): return self.values.get(key)
                async def set(self, key, value): self.values[key] = value
                async def delete(self, key): self.values.pop(key, None)
                async def keys(self, prefix): return sorted(k for k in self.values if k.startswith(prefix))
                async def close(self): pass
            """,
            "test_changing_a_dict_after_set_changes_nothing_stored",
        ),
        (
            """
            class Store(InMemoryStateStore):
                async def set(self, key, value):
                    await super().set(key.lower(), value)
                async def get(self, key):
                    return await super().get(key.lower())
            """,
            "test_keys_do_not_touch_each_other",
        ),
        (
            """
            import asyncio
            class Store(InMemoryStateStore):
                async def set(self, key, value):
                    for _ in range(50 - value.get("n", 50)):
                        await asyncio.sleep(0)
                    await super().set(key, value)
            """,
            "test_of_concurrent_sets_on_one_key_the_last_to_begin_stays",
        ),
        (
            """
            class Store(InMemoryStateStore):
                async def compare_and_set(self, key, value, revision):
                    await self.set(key, value)
                    return (await self.get_with_revision(key))[1]
            """,
            "test_compare_and_set_leaves_what_somebody_else_wrote",
        ),
        (
            """
            class Store(InMemoryStateStore):
                async def get(self, key):
                    return await super().get(key) or None
            """,
            "test_an_empty_dict_is_a_value",
        ),
        (
            """
            class Store(InMemoryStateStore):
                async def close(self):
                    del self.open
                open = True
            """,
            "test_close_may_be_called_twice",
        ),
    ],
    ids=[
        "tears-a-batch",
        "aliases",
        "folds-case",
        "reorders",
        "overwrites",
        "loses-empty",
        "cannot-close",
    ],
)
def test_a_store_that_breaks_a_promise_is_caught(run, store, caught):
    result = run(SUITE + textwrap.dedent(store))
    result.stdout.fnmatch_lines([f"FAILED *::TestMine::{caught}*"])


def test_a_word_that_is_no_capability_is_refused(run):
    result = run(
        SUITE.replace('{"keys", "close", "revisions", "batches"}', '{"key"}')
        + "\nStore = InMemoryStateStore\n"
    )
    assert "passed" not in result.parseoutcomes()
    result.stdout.fnmatch_lines(
        [
            "*optional holds unknown words: ?'key'?; there are keys, close, reopen, revisions, batches*"
        ]
    )


def test_a_suite_without_a_store_says_what_to_define(run):
    result = run(
        "from civitas.testing import StateStoreSuite\nclass TestMine(StateStoreSuite): pass\n", "-x"
    )
    result.stdout.fnmatch_lines(["*TestMine must define a fixture named `store`*"])


def test_the_test_kit_without_the_suite_needs_no_pytest():
    script = (
        "import sys\n"
        "from civitas.testing import ManualClock, Probe, ScriptedModel\n"
        "assert 'pytest' not in sys.modules and 'pytest_asyncio' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_run_that_uses_no_fixture_imports_nothing_of_civitas(run):
    result = run(
        """
        import sys

        def test_it():
            assert not [name for name in sys.modules if name.split(".")[0] == "civitas"]
        """
    )
    result.assert_outcomes(passed=1)
