"""Every way to log in, at a real server: in the topology, or in a context of the `nats` command."""

from __future__ import annotations

import json

import pytest

from civitas.brokers.nats import NatsOptions
from civitas.brokers.nats.jetstream import StreamLimits
from civitas.errors import ConfigurationError
from civitas.state.nats_kv import NatsKVStateStore
from civitas.transport.nats import NatsTransport
from civitas.transport.nats.address import Subjects
from civitas.transport.nats.dead_letters import NatsDeadLetters
from tests.nats_logins import LOGINS
from tests.nats_server import NatsServer


@pytest.fixture(params=LOGINS)
def login(request, tmp_path):
    return LOGINS[request.param](tmp_path)


@pytest.fixture
def server(login, tmp_path):
    server = NatsServer(tmp_path, f'jetstream {{ store_dir: "{tmp_path}/js" }}\n{login.config}')
    yield server.start()
    server.close()


def context_of(options, url, home):
    """The same as a context of the `nats` command."""
    tls = options.get("tls", {})
    names = {"credentials": "creds"}
    said = {names.get(key, key): value for key, value in options.items() if key != "tls"}
    file = home / "nats/context/mine.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps({"url": url, **said, **tls}))
    return {"context": "mine"}


@pytest.fixture(params=["keys", "context"])
def options(request, login, server, tmp_path, monkeypatch):
    """Those of a client that is let in."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    if request.param == "keys":
        return {"servers": server.url, **login.options}
    return context_of(login.options, server.url, tmp_path)


async def taken_along(options):
    transport = NatsTransport(options, Subjects.of("civitas", "small"), patience=5.0)
    try:
        arrived = []
        await transport.open(arrived.append)
        link = transport.connect(transport.address)
        link.send(b"hello")
        await link.flushed()
        return arrived
    finally:
        await transport.close()


@pytest.mark.promise(id="SEM-1515")
async def test_whoever_shows_what_the_server_wants_is_let_in_everywhere(options):
    assert await taken_along(NatsOptions.of(options)) == [b"hello"]
    store = NatsKVStateStore(**options, bucket="state")
    await store.set("a", {"n": 1})
    assert await store.get("a") == {"n": 1}
    await store.close()
    box = NatsDeadLetters(NatsOptions.of(options), "civitas", "small", StreamLimits())
    await box.make()
    assert [each async for each in box.all()] == []
    await box.close()


@pytest.mark.promise(id="SEM-1515")
async def test_whoever_shows_something_else_is_told_so_at_once_and_no_error_shows_a_secret(
    login, server
):
    options = NatsOptions.of({"servers": server.url, **login.wrong})
    with pytest.raises(ConfigurationError, match="does not let this process in") as refused:
        await taken_along(options)
    box = NatsDeadLetters(options, "civitas", "small", StreamLimits())
    with pytest.raises(ConfigurationError, match="does not let at_least_once in") as also:
        await box.make()
    await box.close()
    for secret in login.secrets:
        assert secret not in f"{refused.value} {also.value} {options!r}"
