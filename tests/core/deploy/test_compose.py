"""`civitas deploy compose`."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
import yaml

from civitas.deploy import NATS_HOST, compose_file, deployment_of
from tests.core.cli.support import Result
from tests.core.deploy.conftest import Write

Civitas = Callable[..., Result]

pytest.importorskip("check_jsonschema", reason="it carries the published schema of Compose")


@cache
def validator() -> Any:
    """By the published schema of Compose files."""
    folder = files("check_jsonschema") / "builtin_schemas" / "vendor"
    schema = json.loads((folder / "compose-spec.json").read_text(encoding="utf-8"))
    return jsonschema.validators.validator_for(schema)(schema)


def made(topology: Path, image: str | None = None) -> Any:
    """The data of the Compose file of a topology, which fits the schema."""
    deployment = deployment_of(topology, nats=NATS_HOST)
    data = yaml.safe_load(compose_file(deployment, image=image, folder=topology.parent))
    validator().validate(data)
    return data


@pytest.mark.promise(id="SEM-1821")
def test_each_process_is_a_service_and_so_is_the_nats_server(everything: Path) -> None:
    services = made(everything)["services"]
    assert list(services) == ["root", "worker", "cpu-1", "cpu-2", "nats"]
    assert services["worker"]["command"][:5] == [
        "civitas", "run", "topology.yaml", "--process", "worker"
    ]  # fmt: skip
    assert "--set=processes.cpu.start=false" in services["root"]["command"]
    assert "--set=processes.cpu.start=false" in services["cpu-2"]["command"]


def test_a_process_with_a_python_of_its_own_is_started_by_the_root(everything: Path) -> None:
    assert "crew" not in made(everything)["services"]


def test_docker_compose_takes_the_file(everything: Path, civitas: Civitas) -> None:
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], check=False).returncode:
        pytest.skip("this machine has no `docker compose`; the other tests have its schema")
    civitas("deploy", "compose", everything, "--image", "team", "--output", everything.parent)
    (everything.parent / ".env").write_text("NATS_PASSWORD=a\nEDGE_TOKEN=b\n")
    command = [docker, "compose", "--project-directory", str(everything.parent), "config", "-q"]
    subprocess.run(command, check=True)


@pytest.mark.promise(id="SEM-1823")
def test_the_grace_period_holds_the_drain_and_the_longest_stop(everything: Path) -> None:
    assert made(everything)["services"]["root"]["stop_grace_period"] == "90s"  # 20 + 45 + 20 + 5


def test_a_health_check_asks_the_edge_where_there_is_one(everything: Path) -> None:
    services = made(everything)["services"]
    assert "http://127.0.0.1:8700/readyz" in services["root"]["healthcheck"]["test"][-1]
    assert "civitas-health/ready" in services["worker"]["healthcheck"]["test"][-1]
    assert services["root"]["ports"] == ["8700:8700"]
    assert "--set=edge.http.host=0.0.0.0" in services["root"]["command"]


@pytest.mark.promise(id="SEM-1822")
def test_no_value_of_a_variable_gets_into_a_file(
    everything: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NATS_PASSWORD", "EDGE_TOKEN", "NATS_URL"):
        monkeypatch.setenv(name, "of-my-shell")
    data = made(everything)
    text = json.dumps(data)
    assert "of-my-shell" not in text
    assert "hunter2" not in text  # nor a default, which the topology has anyway
    environment = data["services"]["worker"]["environment"]
    assert environment["EDGE_TOKEN"] == "${EDGE_TOKEN:?write EDGE_TOKEN into .env}"
    assert environment["NATS_URL"] == "nats://nats:4222"


def test_the_nats_server_asks_for_the_login_of_the_topology(everything: Path) -> None:
    data = made(everything)
    text = data["configs"]["nats"]["content"]
    assert 'authorization { user: "civitas", password: $$NATS_PASSWORD }' in text
    wanted = "${NATS_PASSWORD:?write NATS_PASSWORD into .env}"
    assert data["services"]["nats"]["environment"] == {"NATS_PASSWORD": f"'{wanted}'"}
    # A default of the topology would not be that of the server.
    assert data["services"]["root"]["environment"]["NATS_PASSWORD"] == wanted


@pytest.mark.promise(id="SEM-1629")
@pytest.mark.parametrize("password", ["123456", 'a b;c#{"\\'])
def test_the_nats_server_takes_any_password_as_a_text(
    password: str, everything: Path, tmp_path: Path
) -> None:
    data = made(everything)
    configuration = tmp_path / "nats.conf"
    # As Compose does it with what is in .env.
    configuration.write_text(data["configs"]["nats"]["content"].replace("$$", "$"))
    said = data["services"]["nats"]["environment"]["NATS_PASSWORD"]
    environment = {"NATS_PASSWORD": re.sub(r"\$\{.*\}", lambda _: password, said)}
    server = Path(sys.executable).with_name("nats-server")
    checked = subprocess.run(
        [server, "-t", "-c", configuration], env=environment, capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stderr


@pytest.mark.promise(id="SEM-1628")
def test_a_variable_that_names_a_file_with_a_secret_names_it_where_the_container_has_it(
    write: Write,
) -> None:
    topology = write("""\
        transport: {type: nats, servers: ["tls://nats.example.com"], credentials: "${CREDS}"}
        supervision: {children: [{agent: {name: here, type: agents.Counter}}]}
        """)
    data = made(topology)
    assert data["secrets"] == {"CREDS": {"file": "${CREDS:?write CREDS into .env}"}}
    root = data["services"]["root"]
    assert root["secrets"] == [{"source": "CREDS", "target": "/run/secrets/CREDS"}]
    assert root["environment"]["CREDS"] == "/run/secrets/CREDS"


def test_without_nats_all_processes_are_in_one_service(write: Write) -> None:
    topology = write("""\
        supervision:
          children:
            - agent: {name: there, type: agents.Counter, process: worker}
        """)
    data = made(topology)
    assert list(data["services"]) == ["root"]
    assert data["services"]["root"]["command"] == ["civitas", "run", "topology.yaml"]


def test_the_state_of_a_file_is_in_a_volume(small: Path) -> None:
    data = made(small)
    assert "--set=state.path=/data/civitas.db" in data["services"]["root"]["command"]
    assert data["services"]["root"]["volumes"] == ["state:/data"]
    assert "state" in data["volumes"]


@pytest.mark.promise(id="SEM-1631")
def test_a_service_has_an_init_and_no_rights(small: Path) -> None:
    root = made(small)["services"]["root"]
    assert root["init"] is True
    assert root["cap_drop"] == ["ALL"]
    assert root["security_opt"] == ["no-new-privileges:true"]


def test_an_image_of_a_registry_is_not_built(small: Path) -> None:
    root = made(small, image="registry.example.com/team:1")["services"]["root"]
    assert root["image"] == "registry.example.com/team:1"
    assert "build" not in root


def test_a_server_that_is_elsewhere_is_left_there(write: Write) -> None:
    topology = write("""\
        transport: {type: nats, servers: ["nats://10.0.0.5:4222"]}
        supervision:
          children:
            - agent: {name: there, type: agents.Counter, process: worker}
        """)
    assert list(made(topology)["services"]) == ["root", "worker"]


def test_a_server_that_is_written_out_is_replaced_for_the_containers(write: Write) -> None:
    topology = write("""\
        transport: {type: nats, servers: "nats://localhost:4222"}
        supervision:
          children:
            - agent: {name: here, type: agents.Counter}
        """)
    data = made(topology)
    assert "--set=transport.servers=nats://nats:4222" in data["services"]["root"]["command"]
    assert "nats" in data["services"]


def test_the_files_with_secrets_are_mounted_and_not_copied(write: Write) -> None:
    topology = write("""\
        transport: {type: nats, servers: ["tls://nats.example.com:4222"], credentials: team.creds}
        supervision:
          children:
            - agent: {name: here, type: agents.Counter}
        """)
    data = made(topology)
    assert data["secrets"] == {"team.creds": {"file": "./team.creds"}}
    mounted = data["services"]["root"]["secrets"]
    assert mounted == [{"source": "team.creds", "target": "/app/team.creds"}]
