"""What carries between OS processes, by the name that a topology or `transport=` gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from civitas import Runtime, Supervisor, hookimpl
from civitas.errors import ConfigurationError, TopologyError
from civitas.plugins import PluginManager
from civitas.topology import Links, build, load
from civitas.transport import Access, CarrierEntry
from civitas.transport.zmq import ZmqTransport

Write = Callable[[str], Path]

BESIDE = "supervision: {children: [{agent: {name: a, type: b.C, process: worker}}]}"


class Pigeons:
    """A carrier that says what stands in its entry, and carries with ZMQ after all."""

    keys = {"flock": "How many.", "loft": "Where they live."}

    def problems(self, entry: CarrierEntry) -> Iterator[tuple[str, str]]:
        if not isinstance(entry.options.get("flock", 1), int):
            yield "flock", "'flock' must be a whole number"

    def access(self, entry: CarrierEntry) -> Access | None:
        return None

    def for_root(self, entry: CarrierEntry, access: Access) -> Any:
        return ZmqTransport(node_timeout=entry.node_timeout)

    def meeting_place(self, entry: CarrierEntry) -> Any:
        return "the loft"

    def for_member(
        self, entry: CarrierEntry, access: Access, root: str, folder: Path | None
    ) -> Any:
        return ZmqTransport(node_timeout=entry.node_timeout)


class Plugin:
    def __init__(self, kind: Any = Pigeons) -> None:
        self.kind = kind

    @hookimpl
    def civitas_transports(self) -> dict[str, Any]:
        return {"pigeons": self.kind}


def links(write: Write, text: str, kind: Any = Pigeons) -> Links:
    plugins = PluginManager([Plugin(kind)], discover=False)
    return Links(load(write(f"{text}\n{BESIDE}")), plugins)


@pytest.mark.promise(id="SEM-1322")
@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("transport:\n  type: pigeons\n  flok: 3", 3, "'flok' in transport 'pigeons'; did you mean 'flock'?"),
        ("transport:\n  type: pigeons\n  loft: x\n  flock: many", 4, "'flock' must be a whole number"),
        ("transport:\n  type: zmq\n  addres: x", 3, "did you mean 'address'?"),
        ("transport: {type: zmq, address: 5}", 1, "'address' must be text; got 5"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_an_entry_its_carrier_says(
    write: Write, text: str, line: int, words: str
) -> None:
    with pytest.raises(TopologyError) as caught:
        build(load(write(f"{text}\n{BESIDE}")), plugins=PluginManager([Plugin()]))
    assert words in str(caught.value)
    assert caught.value.line == line


@pytest.mark.promise(id="SEM-1323")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("pigeon", "did you mean 'pigeons'? There are: in_process, nats, pigeons, zmq"),
        ("smoke", "there is no transport 'smoke'. There are: in_process, nats, pigeons, zmq"),
        ("nat", "did you mean 'nats'?"),
    ],
)
def test_a_carrier_that_is_not_there_is_refused_with_those_that_are(
    write: Write, name: str, words: str
) -> None:
    with pytest.raises(TopologyError) as caught:
        links(write, f"name: x\ntransport: {{type: {name}}}")
    assert words in str(caught.value)
    assert caught.value.line == 2
    with pytest.raises(ConfigurationError) as refused:
        Runtime(Supervisor("root"), transport=name, plugins=[Plugin()])
    assert words in str(refused.value)


@pytest.mark.promise(id="SEM-1323")
@pytest.mark.parametrize("name", ["zmq", "pigeons"])
def test_a_carrier_that_has_nothing_to_carry_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match="this runtime has only its own; leave it out"):
        Runtime(Supervisor("root"), transport=name, plugins=[Plugin()])
    topology = {"supervision": {"children": []}}
    with pytest.raises(ConfigurationError, match="this runtime has only its own"):
        Runtime.from_config(topology, transport=name, plugins=[Plugin()])


def test_an_unknown_key_is_one_mistake_whatever_its_value(write: Write) -> None:
    (problem,) = links(write, "transport: {type: zmq, adress: 5}").problems()
    assert "did you mean 'address'?" in problem.text


def test_a_topology_may_name_a_carrier_before_it_has_processes() -> None:
    topology = {"transport": {"type": "zmq"}, "supervision": {"children": []}}
    assert isinstance(Runtime.from_config(topology), Runtime)


def test_what_is_given_in_python_is_told_to_no_process_that_is_started_elsewhere() -> None:
    topology = {
        "processes": {"gpu": {"start": False}},
        "supervision": {"children": [{"agent": {"name": "a", "type": "b.C", "process": "gpu"}}]},
    }
    with pytest.raises(ConfigurationError, match=r"write transport: \{type: pigeons\} there"):
        Runtime.from_config(topology, transport="pigeons", plugins=[Plugin()])


@pytest.mark.promise(id="SEM-1371")
@pytest.mark.parametrize("by_keyword", [False, True])
def test_a_carrier_that_other_processes_cannot_import_is_refused_before_they_start(
    write: Write, by_keyword: bool
) -> None:
    named = "transport: {type: pigeons}\n"
    file = write(f"name: x\n{'' if by_keyword else named}{BESIDE}")
    keywords: dict[str, Any] = {"transport": "pigeons"} if by_keyword else {}
    with pytest.raises(TopologyError, match="pass it as a module, or install it"):
        Runtime.from_config(file, plugins=[Plugin()], **keywords)


class Raises(Pigeons):
    def __init__(self) -> None:
        raise ValueError("no corn")


class RaisesLater(Pigeons):
    def for_root(self, entry: CarrierEntry, access: Access) -> Any:
        raise ValueError("no corn")


class GivesNoTransport(Pigeons):
    def for_root(self, entry: CarrierEntry, access: Access) -> Any:
        return object()


class GivesNoAccess(Pigeons):
    def access(self, entry: CarrierEntry) -> Any:
        return "sesame"


class GivesNoProblems(Pigeons):
    def problems(self, entry: CarrierEntry) -> Any:
        return None


class GivesNoAddress(Pigeons):
    def meeting_place(self, entry: CarrierEntry) -> Any:
        return None


class HasNoKeys(Pigeons):
    keys = None  # type: ignore[assignment]


class RaisesForKeys(Pigeons):
    @property
    def keys(self) -> Any:  # type: ignore[override]
        raise ValueError("no corn")


class Unwatched(ZmqTransport):
    watch: Any = None


class WatchesNothing(Pigeons):
    def for_root(self, entry: CarrierEntry, access: Access) -> Any:
        return Unwatched(node_timeout=entry.node_timeout)


class GivesNoToken(Pigeons):
    def access(self, entry: CarrierEntry) -> Access:
        return Access(token=5)  # type: ignore[arg-type]


class GivesOddKeys(Pigeons):
    def access(self, entry: CarrierEntry) -> Access:
        return Access("sesame", keys=object())


@pytest.mark.promise(id="SEM-1324")
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Raises, "its constructor raised ValueError: no corn"),
        (RaisesLater, "for_root() raised ValueError: no corn"),
        (
            lambda: None,
            "its constructor gave 'NoneType' instead of a Carrier; it has no access and no",
        ),
        (
            GivesNoTransport,
            "for_root() gave 'object' instead of a Transport; it has no address and no",
        ),
        (WatchesNothing, "for_root() gave 'Unwatched' instead of a Transport; it has no watch"),
        (GivesNoAccess, "access() gave 'str' instead of an Access"),
        (GivesNoToken, "access() gave a token that is not text, or is empty"),
        (GivesOddKeys, "access() gave keys that are not plain data: can not serialize 'object'"),
        (GivesNoProblems, "problems() raised TypeError"),
        (GivesNoAddress, "meeting_place() gave 'NoneType' instead of text"),
        (HasNoKeys, "keys raised TypeError"),
        (RaisesForKeys, "its constructor raised ValueError: no corn"),
    ],
)
def test_a_carrier_that_does_not_do_what_it_should_is_named_with_its_line(
    write: Write, kind: Any, words: str
) -> None:
    with pytest.raises(TopologyError) as caught:
        found = links(write, "name: x\ntransport: {type: pigeons}", kind)
        found.check()
        found.for_root(found.access())
        found.root_address()
    assert f"transport 'pigeons': {words}" in str(caught.value)
    assert caught.value.line == 2


def test_what_a_carrier_refuses_is_told_as_it_says_it(write: Write) -> None:
    class Refuses(Pigeons):
        def for_root(self, entry: CarrierEntry, access: Access) -> Any:
            raise ConfigurationError("there is no loft; build one")

    found = links(write, "transport: {type: pigeons}", Refuses)
    with pytest.raises(ConfigurationError, match=r"^there is no loft; build one$"):
        found.for_root(found.access())


def test_a_carrier_is_told_of_what_concerns_it(write: Write, tmp_path: Path) -> None:
    entries = []

    class Curious(Pigeons):
        def for_root(self, entry: CarrierEntry, access: Access) -> Any:
            entries.append(entry)
            return super().for_root(entry, access)

    text = "name: x\ntransport: {type: pigeons, flock: 3}\nruntime: {node_timeout: 4}"
    found = links(write, text, Curious)
    found.for_root(found.access())
    (entry,) = entries
    assert (entry.options, entry.system, entry.node_timeout) == ({"flock": 3}, "x", 4)
    assert (entry.folder, entry.awaited) == (tmp_path, False)


def test_processes_of_one_user_find_the_token_of_a_carrier_without_a_secret(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    waits = "transport: {type: pigeons}\nprocesses: {worker: {start: false}}"
    tokens = {links(write, waits).access().token for _ in range(3)}
    assert len(tokens) == 1
    assert len({links(write, "transport: {type: pigeons}").access().token for _ in range(3)}) == 3
    (kept,) = tmp_path.glob("civitas/*/token")
    assert kept.stat().st_mode & 0o777 == 0o600


def test_a_system_in_no_file_has_no_place_for_a_token_that_others_find() -> None:
    topology = load(
        {
            "transport": {"type": "pigeons"},
            "processes": {"gpu": {"start": False}},
            "supervision": {},
        }
    )
    with pytest.raises(ConfigurationError, match="this topology is not a file"):
        Links(topology, PluginManager([Plugin()])).access()
