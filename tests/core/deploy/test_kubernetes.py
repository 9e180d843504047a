"""`civitas deploy kubernetes`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from civitas.deploy import deployment_of, kubernetes_file
from civitas.deploy.deployment import IMAGE_USER
from tests.core.cli.support import Result
from tests.core.deploy.conftest import Write

Civitas = Callable[..., Result]

kubernetes_validate = pytest.importorskip(
    "kubernetes_validate", reason="it carries the published schemas of Kubernetes"
)

OLDEST = "1.31"
"""From here on the first pod of a set may be number 1."""


def made(topology: Path, namespace: str = "default") -> dict[tuple[str, str], Any]:
    """The manifests of a topology by kind and name."""
    deployment = deployment_of(topology, nats="{system}-nats")
    text = kubernetes_file(deployment, image="team:1", namespace=namespace)
    return {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(text)}


def container(manifest: Any) -> Any:
    return manifest["spec"]["template"]["spec"]["containers"][0]


@pytest.mark.promise(id="SEM-1821")
def test_every_manifest_fits_the_schema_of_its_kind(everything: Path) -> None:
    manifests = made(everything)
    assert {kind for kind, _ in manifests} == {
        "ConfigMap", "Deployment", "PodDisruptionBudget", "ScaledObject", "Service", "StatefulSet"
    }  # fmt: skip
    for (kind, _), manifest in manifests.items():
        if kind != "ScaledObject":  # KEDA's own
            kubernetes_validate.validate(manifest, OLDEST, strict=True)


def test_a_state_file_is_in_a_volume_that_one_pod_has(small: Path) -> None:
    manifest = made(small)["StatefulSet", "civitas-root"]
    kubernetes_validate.validate(manifest, OLDEST, strict=True)
    assert manifest["spec"]["replicas"] == 1
    assert {"name": "state", "mountPath": "/data"} in container(manifest)["volumeMounts"]


@pytest.mark.promise(id="SEM-1822")
def test_every_variable_is_a_reference_to_a_secret(
    everything: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_TOKEN", "of-my-shell")
    manifests = made(everything)
    text = json.dumps(list(manifests.values()))
    assert "of-my-shell" not in text
    assert "hunter2" not in text
    environment = container(manifests["Deployment", "research-team-worker"])["env"]
    wanted = {"name": "research-team-env", "key": "EDGE_TOKEN"}
    assert {"name": "EDGE_TOKEN", "valueFrom": {"secretKeyRef": wanted}} in environment


@pytest.mark.promise(id="SEM-1823")
def test_a_pod_has_the_time_of_its_drain_and_goes_when_others_know(everything: Path) -> None:
    pod = made(everything)["Deployment", "research-team-root"]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] == 95  # 5 + 20 + 45 + 20 + 5
    before = pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"]
    assert before == ["sleep", "5"]


def test_a_root_with_an_edge_is_ready_when_that_says_so(write: Write) -> None:
    topology = write("""\
        edge: {http: {token: "${EDGE_TOKEN}", port: 9000}}
        supervision: {children: [{agent: {name: a, type: agents.A}}]}
        """)
    root = container(made(topology)["Deployment", "civitas-root"])
    assert root["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    assert root["ports"] == [{"name": "http", "containerPort": 9000}]
    assert made(topology)["Service", "civitas"]["spec"]["ports"][0]["port"] == 9000


@pytest.mark.promise(id="SEM-1626")
@pytest.mark.parametrize("transport", ["{type: in_process}", "{type: nats}"])
def test_no_probe_ends_a_pod_whose_agents_take_long_to_start_or_that_stands_by(
    transport: str, write: Write
) -> None:
    topology = write(f"""\
        transport: {transport}
        edge: {{http: {{token: "${{EDGE_TOKEN}}"}}}}
        supervision: {{children: [{{agent: {{name: a, type: agents.A}}}}]}}
        """)
    root = container(made(topology)["Deployment", "civitas-root"])
    # The edge listens when all agents have started.
    assert "civitas-health/alive" in root["livenessProbe"]["exec"]["command"][-1]
    assert "startupProbe" not in root


@pytest.mark.promise(id="SEM-1631")
def test_processes_that_lost_their_parent_are_taken_in_by_the_first_one_of_the_pod(
    everything: Path,
) -> None:
    pods = [each["spec"]["template"]["spec"] for each in made(everything).values()
            if each["kind"] in ("Deployment", "StatefulSet")]  # fmt: skip
    agents = [pod for pod in pods if pod["containers"][0]["name"] == "civitas"]
    assert [pod["shareProcessNamespace"] for pod in agents] == [True] * 3


def test_a_root_of_a_new_version_comes_before_the_old_one_goes(everything: Path) -> None:
    root = made(everything)["Deployment", "research-team-root"]
    assert root["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_a_root_without_an_election_is_never_beside_another(write: Write) -> None:
    topology = write("supervision: {children: [{agent: {name: a, type: agents.A}}]}\n")
    manifest = made(topology)["Deployment", "civitas-root"]
    assert manifest["spec"]["strategy"] == {"type": "Recreate"}


@pytest.mark.promise(id="SEM-1824")
def test_an_agent_with_replicas_gets_a_scaler_of_what_waits_for_it(everything: Path) -> None:
    manifests = made(everything, namespace="agents")
    scaled = manifests["ScaledObject", "research-team-cpu"]
    assert scaled["spec"]["scaleTargetRef"] == {"kind": "StatefulSet", "name": "research-team-cpu"}
    (trigger,) = scaled["spec"]["triggers"]
    assert trigger["type"] == "nats-jetstream"
    assert trigger["metadata"] == {
        "natsServerMonitoringEndpoint": "research-team-nats.agents.svc:8222",
        "account": "$G",
        "stream": "civitas_research-team_mailboxes_2000",
        "consumer": "mbox_square",
        "lagThreshold": "10",
    }


@pytest.mark.promise(id="SEM-1824")
def test_a_manifest_that_is_applied_again_leaves_the_scaler_its_replicas(everything: Path) -> None:
    manifests = made(everything)
    assert "replicas" not in manifests["StatefulSet", "research-team-cpu"]["spec"]
    assert manifests["ScaledObject", "research-team-cpu"]["spec"]["minReplicaCount"] == 2


def test_the_pods_of_replicas_are_the_processes_by_number(everything: Path) -> None:
    manifest = made(everything)["StatefulSet", "research-team-cpu"]
    assert manifest["spec"]["ordinals"] == {"start": 1}
    command = container(manifest)["command"]
    assert command[command.index("--process") + 1] == "cpu-$(POD_INDEX)"


@pytest.mark.promise(id="SEM-1627")
def test_names_that_kubernetes_does_not_take_become_such_that_it_does(write: Write) -> None:
    longest = "a-very-long-name-of-a-process-that-somebody-wrote-because-they-could"
    topology = write(f"""\
        name: Research_Team
        transport: {{type: nats, servers: ["${{NATS_URL:-nats://127.0.0.1:4222}}"]}}
        supervision:
          children:
            - agent: {{name: a, type: agents.A, process: nats}}
            - agent: {{name: b, type: agents.A, process: {longest}-1}}
            - agent: {{name: c, type: agents.A, process: {longest}-2, replicas: 2}}
            - agent: {{name: d, type: agents.A, process: Gpu.1}}
        """)
    manifests = made(topology)
    names = [name for _, name in manifests]
    assert all(re.fullmatch(r"[a-z]([-a-z0-9]{0,50}[a-z0-9])?", name) for name in names)
    workloads = [key for key in manifests if key[0] in ("Deployment", "StatefulSet")]
    assert len({name for _, name in workloads}) == len(workloads) == 6
    selectors = [manifests[key]["spec"]["selector"]["matchLabels"] for key in workloads]
    assert all(selectors.count(each) == 1 for each in selectors)
    environment = container(manifests["Deployment", "research-team-root"])["env"]
    url = "nats://research-team-nats:4222"  # the Service of that name
    assert {"name": "NATS_URL", "value": url} in environment
    assert ("Service", "research-team-nats") in manifests


def test_pods_that_would_share_a_file_are_refused(write: Write, civitas: Civitas) -> None:
    topology = write("""\
        transport: {type: nats}
        state: {type: sqlite, path: civitas.db}
        supervision: {children: [{agent: {name: a, type: agents.A, process: worker}}]}
        """)
    result = civitas("deploy", "kubernetes", topology, "--image", "team:1")
    assert result.code == 1
    assert "write state: {type: nats_kv, bucket: state}" in result.err


def test_the_image_must_be_named(small: Path, civitas: Civitas) -> None:
    assert civitas("deploy", "kubernetes", small).code == 2


def test_a_file_with_a_secret_is_mounted_where_the_topology_reads_it(write: Write) -> None:
    topology = write("""\
        transport: {type: nats, servers: ["tls://h"], credentials: /etc/x.creds, tls: {ca: ca.pem, cert: ./ca.pem}}
        supervision: {children: [{agent: {name: a, type: agents.A, process: far}}]}
        """)
    mounts = container(made(topology)["Deployment", "civitas-root"])["volumeMounts"]
    assert [each["mountPath"] for each in mounts] == ["/tmp", "/etc/x.creds", "/app/ca.pem"]


@pytest.mark.promise(id="SEM-1628")
def test_a_variable_that_names_a_file_with_a_secret_names_it_where_the_pod_has_it(
    write: Write,
) -> None:
    topology = write("""\
        transport: {type: nats, servers: ["tls://nats.example.com"], credentials: "${CREDS}"}
        supervision: {children: [{agent: {name: a, type: agents.A, process: far}}]}
        """)
    root = container(made(topology)["Deployment", "civitas-root"])
    assert {"name": "CREDS", "value": "/run/secrets/CREDS"} in root["env"]
    mount = {"name": "files", "mountPath": "/run/secrets/CREDS", "subPath": "CREDS"}
    assert {**mount, "readOnly": True} in root["volumeMounts"]


def test_pods_run_as_a_user_without_rights(everything: Path) -> None:
    pod = made(everything)["Deployment", "research-team-root"]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == IMAGE_USER
    assert pod["automountServiceAccountToken"] is False
    (only,) = pod["containers"]
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }


@pytest.mark.promise(id="SEM-1629")
def test_the_nats_server_of_a_cluster_takes_any_password_as_a_text(everything: Path) -> None:
    environment = container(made(everything)["StatefulSet", "research-team-nats"])["env"]
    key = {"name": "research-team-env", "key": "NATS_PASSWORD"}
    assert environment == [
        {"name": "NATS_PASSWORD_BARE", "valueFrom": {"secretKeyRef": key}},
        {"name": "NATS_PASSWORD", "value": "'$(NATS_PASSWORD_BARE)'"},
    ]
