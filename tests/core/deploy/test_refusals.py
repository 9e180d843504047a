"""What cannot be deployed, and what is not overwritten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from civitas.deploy import NATS_HOST, deployment_of
from civitas.errors import TopologyError
from tests.core.cli.support import Result
from tests.core.deploy.conftest import Write

Civitas = Callable[..., Result]

ONE = "supervision: {children: [{agent: {name: a, type: agents.A, process: gpu}}]}\n"


@pytest.mark.parametrize(
    ("top", "said"),
    [
        ("processes: {gpu: {start: false}}", "write transport: {type: nats, servers: [...]}"),
        ("transport: {type: nats, token: hunter2}", "write a variable, such as ${TOKEN}"),
        (
            "transport: {type: nats, servers: ['nats://hunter2@h:4222']}",
            "'servers' is written out, and would be in the image; write a variable, such as ${SERVERS}",
        ),
        ("edge: {http: {token: hunter2}}", "write a variable, such as ${TOKEN}"),
        ("transport: {type: nats, token: 'a-${X}'}", "'token' must be one variable"),
        ("transport: {type: nats, context: mine}", "a 'context' is kept in the home of a user"),
        (
            "transport: {type: nats, nkey: '~/team.nk'}",
            "no container finds '~/team.nk'; write a path",
        ),
        (
            "transport: {type: nats, tls: {ca: certs/ca.pem, key: certs-ca.pem}}",
            "'certs-ca.pem' and 'certs/ca.pem' would be the same secret",
        ),
        ("transport: {type: nats, nkey: '${D}/nk'}", "no container finds '${D}/nk'; write a path"),
        (
            "transport: {type: zmq, address: 'tcp://10.0.0.5:5555', keys: k}",
            "all processes are in one container",
        ),
    ],
)
def test_what_no_container_can_run_is_refused_with_what_to_write(
    top: str, said: str, write: Write
) -> None:
    with pytest.raises(TopologyError) as caught:
        deployment_of(write(f"{top}\n{ONE}"), nats=NATS_HOST)
    assert said in str(caught.value)
    assert "topology.yaml:1: " in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.promise(id="SEM-1627")
@pytest.mark.parametrize(
    ("command", "first", "second"),
    [
        (("kubernetes", "--image=team"), "Gpu", "gpu"),
        (("compose", "--image=team"), "a+b", "a-b"),
        (("systemd",), "a+b", "a-b"),
    ],
)
def test_processes_that_would_have_one_name_are_refused(
    command: tuple[str, ...], first: str, second: str, write: Write, civitas: Civitas
) -> None:
    topology = write(f"""\
        transport: {{type: nats}}
        supervision:
          children:
            - agent: {{name: a, type: agents.A, process: {first}}}
            - agent: {{name: b, type: agents.A, process: {second}}}
        """)
    result = civitas("deploy", command[0], topology, *command[1:])
    assert result.code == 1
    assert f"the processes {first!r} and {second!r} would both be {second!r} for" in result.err


def test_a_number_needs_a_default_as_the_environment_is_not_read(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAIN", "20")
    with pytest.raises(TopologyError, match=r"'drain_timeout' must be a number.*\$\{DRAIN\}"):
        deployment_of(write("runtime:\n  drain_timeout: ${DRAIN}\n" + ONE), nats=NATS_HOST)


def test_an_edge_without_a_token_is_deployed_and_said_to_be_out_of_reach(
    write: Write, civitas: Civitas
) -> None:
    topology = write("edge: {http: {port: 9000}}\n" + ONE)
    result = civitas("deploy", "compose", topology, "--image", "team")
    assert result.code == 0
    assert "nobody outside of its container reaches the HTTP edge" in result.err
    assert "ports:" not in result.out


@pytest.mark.parametrize("kind", ["compose", "dockerfile", "systemd"])
def test_a_file_that_is_there_is_overwritten_only_by_force(
    kind: str, small: Path, civitas: Civitas, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    assert civitas("deploy", kind, small, "--output", folder).code == 0
    (first,) = [each for each in folder.iterdir() if not each.name.startswith(".")]
    first.write_text("mine")
    result = civitas("deploy", kind, small, "--output", folder)
    assert result.code == 1
    assert f"{first} already exists; --force overwrites it" in result.err
    assert first.read_text() == "mine"
    assert civitas("deploy", kind, small, "--output", folder, "--force").code == 0
    assert first.read_text() != "mine"


def test_compose_writes_the_dockerfile_beside_the_topology_and_keeps_one_that_is_there(
    small: Path, civitas: Civitas
) -> None:
    (small.parent / "Dockerfile").write_text("mine")
    result = civitas("deploy", "compose", small, "--output", small.parent)
    assert result.code == 0
    assert (small.parent / "Dockerfile").read_text() == "mine"
    assert "**/.env*" in (small.parent / ".dockerignore").read_text().splitlines()
