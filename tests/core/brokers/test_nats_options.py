"""How a topology says where a NATS server is, and how names are written there."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from civitas.brokers.nats import (
    OPTIONS,
    NatsOptions,
    option_problems,
    subjects_of,
    system_of,
    token_of,
)
from civitas.errors import ConfigurationError

NAMES = [
    "",
    "a",
    "a.b",
    "a=2Eb",
    "a b",
    "a*",
    "a>",
    "$JS",
    "=",
    "ä",
    "x" * 128,
    "x" * 129,
    "_",
    ".",
]


@pytest.mark.promise(id="SEM-1405")
@given(st.lists(st.text() | st.text(min_size=120), max_size=20))
@example(NAMES)
def test_no_two_names_have_one_token(names):
    tokens = {name: token_of(name) for name in [*names, *NAMES]}
    assert len(set(tokens.values())) == len(tokens)
    assert all(re.fullmatch(r"[A-Za-z0-9_=-]{1,128}", token) for token in tokens.values())


WORDS = ["a", "b", "_", "b_c", "a_b", "=5F", "dead", "mbox", "=64ead"]
SYSTEMS = st.tuples(
    st.lists(st.sampled_from([each for each in WORDS if "=" not in each]), min_size=1, max_size=3),
    st.sampled_from([*WORDS, "a.dead", "b.c"]) | st.text(),
)
ROOMS = ["ack", "beat", "body", "dead", "here", "inbox", "mail", "mbox", "node", "waits"]


@pytest.mark.promise(id="SEM-1405")
@given(st.lists(SYSTEMS, min_size=2, max_size=8))
@example([(["a_b"], "c"), (["a"], "b_c"), (["a", "b"], "dead"), (["a"], "b")])
def test_no_two_systems_share_a_subject_a_stream_or_a_bucket(systems):
    known = {(".".join(words), name) for words, name in systems}
    bases = {each: f"{subjects_of(*each)}." for each in known}
    assert len({system_of(*each) for each in known}) == len(known)
    for one, other in itertools.permutations(known, 2):
        assert not any(bases[other].startswith(f"{bases[one]}{room}.") for room in ROOMS)
        assert bases[one] != bases[other]


def test_what_systems_with_plain_names_have_is_called_as_they_are():
    assert subjects_of("acme.prod", "research-team") == "acme.prod.research-team"
    assert system_of("acme-prod", "research_team") == "acme-prod_research_team"
    assert subjects_of("acme", "dead") == "acme.dead"
    assert system_of("acme_prod", "research") == "acme=5Fprod_research"


def test_a_plain_name_is_its_own_token():
    assert token_of("research-team_2") == "research-team_2"


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"servers": []}, "must be a list of URLs"),
        ({"servers": ["http://host"]}, "got http://host"),
        ({"servers": ["nats://host:x"]}, "nats://HOST:PORT"),
        ({"servers": [4222]}, "got int"),
        ({"user": "ann"}, "'user' needs 'password'"),
        ({"password": "s3cret"}, "'password' needs 'user'"),
        ({"token": "s3cret", "nkey": "file"}, "different ways to log in"),
        ({"token": 5}, "'token' must be text"),
        ({"context": ""}, "'context' must be text"),
        ({"context": "x", "servers": ["nats://host"]}, "leave out 'servers'"),
        ({"tls": "ca.pem"}, "'tls' must be a mapping"),
        ({"tls": {"sert": "x"}}, "did you mean 'cert'?"),
        ({"tls": {"ca": 1}}, "'ca' must be a file"),
        ({"tls": {"key": "x"}}, "'key' needs 'cert'"),
    ],
)
def test_a_wrong_option_is_told(entry, says):
    (found,) = option_problems(entry)
    assert found[0] in entry
    assert says in found[1]
    with pytest.raises(ConfigurationError, match=re.escape(found[1])):
        NatsOptions.of(entry)


@pytest.mark.promise(id="SEM-1412")
def test_no_error_shows_a_secret():
    entry = {"servers": ["http://ann:s3cret@host"], "password": ["s3cret"], "token": {"s3cret": 1}}
    assert "s3cret" not in str(list(option_problems(entry)))


def test_options_show_no_secret():
    options = NatsOptions.of(
        {"servers": "nats://ann:s3cret@host", "user": "u", "password": "s3cret"}
    )
    assert "s3cret" not in repr(options)
    assert options.where == "nats://host"


def test_a_file_is_one_beside_the_topology(tmp_path):
    options = NatsOptions.of({"nkey": "/etc/user.nk", "tls": {"ca": "ca.pem"}}, tmp_path)
    assert (options.nkey, options.ca) == (Path("/etc/user.nk"), tmp_path / "ca.pem")


def test_a_file_that_is_not_there_is_named(tmp_path):
    options = NatsOptions.of({"tls": {"ca": "ca.pem"}}, tmp_path)
    with pytest.raises(ConfigurationError, match=re.escape(f"cannot read {tmp_path}/ca.pem")):
        options.keywords()


@pytest.mark.promise(id="SEM-1414")
def test_a_context_of_the_nats_command_says_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    write_context(
        tmp_path,
        "prod",
        {
            "url": "nats://a:1,b:2",
            "user": "ann",
            "password": "s3cret",
            "creds": "",
            "ca": "~/ca.pem",
        },
    )
    options = NatsOptions.of({"context": "prod"}, tmp_path)
    assert options.servers == ("nats://a:1", "nats://b:2")
    assert (options.user, options.password) == ("ann", "s3cret")
    assert options.ca == Path("~/ca.pem").expanduser()


@pytest.mark.promise(id="SEM-1414")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("prud", "there is no context 'prud'; did you mean 'prod'?"),
        ("broken", "is not JSON"),
        ("strange", "says 'nsc'"),
        ("list", "is not a context"),
        ("../prod", "is not the name of a context"),
    ],
)
def test_a_context_that_cannot_be_used_is_told(tmp_path, monkeypatch, name, says):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for each, content in {"prod": {}, "strange": {"nsc": "x"}, "list": []}.items():
        write_context(tmp_path, each, content)
    (tmp_path / "nats/context/broken.json").write_text("{")
    with pytest.raises(ConfigurationError, match=re.escape(says)):
        NatsOptions.of({"context": name})


def test_each_option_is_described():
    assert set(OPTIONS) == {
        *("servers", "context", "user", "password", "token", "nkey", "credentials", "tls")
    }


def write_context(home: Path, name: str, content: object) -> None:
    file = home / "nats/context" / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
