"""`state: {type: nats_kv}`: what it takes over from the transport, and what is refused."""

from __future__ import annotations

import subprocess
import sys

import pytest

from civitas.errors import TopologyError
from civitas.plugins import PluginManager
from civitas.topology.building import runtime_options
from civitas.topology.loading import load
from civitas.topology.nats_state import state_entry

TREE = """
supervision:
  children:
    - agent: {name: counter, type: myapp.Counter}
"""


def state_of(tmp_path, text: str):
    file = tmp_path / "topology.yaml"
    file.write_text(text + TREE)
    entry = state_entry(load(file))
    assert entry is not None
    return entry.further


@pytest.mark.promise(id="SEM-1441")
def test_the_store_is_reached_as_the_transport_is(tmp_path):
    assert state_of(
        tmp_path,
        "transport: {type: nats, servers: ['nats://a:1'], user: ann, password: x, prefix: team, jetstream: true}\n"
        "state: {type: nats_kv, bucket: state}",
    ) == {
        "bucket": "state",
        "servers": ["nats://a:1"],
        "user": "ann",
        "password": "x",
        "prefix": "team",
    }


@pytest.mark.promise(id="SEM-1441")
def test_what_the_state_says_itself_is_not_mixed_with_the_transport(tmp_path):
    assert state_of(
        tmp_path,
        "transport: {type: nats, servers: ['nats://a:1'], user: ann, password: x}\n"
        "state: {type: nats_kv, bucket: state, servers: 'nats://b:1'}",
    ) == {"bucket": "state", "servers": "nats://b:1", "prefix": "civitas"}


@pytest.mark.promise(id="SEM-1477")
def test_the_default_prefix_is_the_same_with_every_transport_and_none_can_be_asked_for(tmp_path):
    state = "state: {type: nats_kv, bucket: state}"
    assert state_of(tmp_path, state)["prefix"] == "civitas"
    assert state_of(tmp_path, f"transport: {{type: nats}}\n{state}")["prefix"] == "civitas"
    none = state_of(tmp_path, "state: {type: nats_kv, bucket: state, prefix: null}")
    assert none["prefix"] is None


def test_its_files_are_relative_to_the_topology(tmp_path):
    assert state_of(
        tmp_path,
        "state: {type: nats_kv, bucket: state, credentials: me.creds, tls: {ca: /ca.pem, key: k.pem}}",
    ) == {
        "bucket": "state",
        "prefix": "civitas",
        "credentials": str(tmp_path / "me.creds"),
        "tls": {"ca": "/ca.pem", "key": str(tmp_path / "k.pem")},
    }


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("{type: nats_kv}", "needs 'bucket'"),
        ("{type: nats_kv, buckets: x, bucket: x}", "did you mean 'bucket'"),
        ("{type: nats_kv, bucket: a.b}", "bucket must be made of letters"),
        ("{type: nats_kv, bucket: x, servers: ['http://a']}", "a server must be nats://HOST:PORT"),
        ("{type: nats_kv, bucket: x, credentials: none.creds}", "cannot read .*none.creds"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path, state, says):
    file = tmp_path / "topology.yaml"
    file.write_text(f"state: {state}{TREE}")
    with pytest.raises(TopologyError, match=f":1: .*{says}"):
        runtime_options(load(file), plugins=PluginManager())


@pytest.mark.promise(id="SEM-1441")
def test_without_nats_the_error_is_the_pip_line():
    code = (
        "import sys; sys.modules['nats'] = None\n"
        "import civitas\n"
        "try: civitas.NatsKVStateStore(bucket='state')\n"
        "except civitas.ConfigurationError as error: print(error)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install 'civitas-core[nats]'" in found.stdout
