"""Manifests for Kubernetes: a workload for each process, its probes, a NATS server and a scaler."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from civitas.deploy.deployment import DATA, ROOT, Deployment, Unit
from civitas.deploy.kubernetes_nats import nats_manifests
from civitas.deploy.kubernetes_parts import (
    NATS,
    claim,
    component_of,
    kubernetes_name,
    labels_of,
    workload_name,
)
from civitas.deploy.kubernetes_pod import pod_of
from civitas.deploy.naming import distinct
from civitas.deploy.scalers import Scaler
from civitas.deploy.yaml_text import documents
from civitas.errors import ConfigurationError

__all__ = ["kubernetes_file"]

_INDEX = "POD_INDEX"
_BY_SCALER = "# No replicas: the ScaledObject says how many, and a manifest that is applied again would undo that."
_ORDINAL = "metadata.labels['apps.kubernetes.io/pod-index']"


def kubernetes_file(deployment: Deployment, *, image: str, namespace: str = "default") -> str:
    """The text of the manifests.

    Args:
        deployment: What there is to deploy.
        image: Of the processes.
        namespace: Where they go.

    Raises:
        ConfigurationError: Pods of their own would have to share a file, or a name.
    """
    if deployment.state_file and len(deployment.units) > 1:
        raise ConfigurationError(
            f"{deployment.topology}: the state is in a file, which the pods of several processes cannot share; "
            "write state: {type: nats_kv, bucket: state}"
        )
    made = list(_manifests(deployment, image, namespace))
    for each in made:
        each["metadata"] = {**each["metadata"], "namespace": namespace}
    return documents(*made, above=_above(deployment, namespace))


def _above(deployment: Deployment, namespace: str) -> Iterator[str]:
    system, topology = kubernetes_name(deployment.system), deployment.topology.name
    yield f"Made by `civitas deploy kubernetes {topology}`."
    if deployment.variables:
        yield "The variables are in a Secret, made from a file of NAME=VALUE lines:"
        yield f"  kubectl -n {namespace} create secret generic {system}-env --from-env-file=.env"
    if deployment.files:
        yield "The files with secrets are in another:"
        files = " ".join(f"--from-file={file.key}={file.path}" for file in deployment.files)
        yield f"  kubectl -n {namespace} create secret generic {system}-files {files}"
    if deployment.scalers:
        yield "A ScaledObject needs KEDA in the cluster."
    yield from deployment.remarks


def _manifests(deployment: Deployment, image: str, namespace: str) -> Iterator[dict[str, Any]]:
    system = kubernetes_name(deployment.system)
    if deployment.nats is not None:
        yield from nats_manifests(deployment.nats, system, labels_of(system, NATS))
    yield _root(deployment, system, image)
    if deployment.elects:
        yield _budget(workload_name(system, ROOT), labels_of(system, ROOT))
    if deployment.edge is not None and deployment.edge.open:
        yield _service(deployment.edge.port, system)
    families = dict(deployment.families())
    components = distinct(families, component_of, "Kubernetes")
    for family, units in families.items():
        name = workload_name(system, components[family])
        labels = labels_of(system, components[family])
        if units[0].process == family:
            yield _single(deployment, units[0], name, labels, image)
            continue
        scaler = deployment.scalers.get(family)
        workload = _replicated(deployment, family, len(units), name, labels, image)
        if scaler is not None:
            workload["spec"] = {_BY_SCALER: None, **workload["spec"]}
            del workload["spec"]["replicas"]
        yield workload
        yield _budget(name, labels)
        if scaler is not None:
            monitor = f"{scaler.host}:8222"
            if deployment.nats is not None:  # KEDA looks from a namespace of its own
                monitor = f"{scaler.host}.{namespace}.svc:8222"
            yield _scaled(scaler, monitor, name, labels)


def _root(deployment: Deployment, system: str, image: str) -> dict[str, Any]:
    labels, name = labels_of(system, ROOT), workload_name(system, ROOT)
    pod = pod_of(
        deployment, labels, deployment.arguments(ROOT, deployment.topology.name), image, ROOT
    )
    if deployment.state_file:
        container = pod["spec"]["containers"][0]
        container["volumeMounts"].append({"name": "state", "mountPath": DATA})
        return {
            "apiVersion": "apps/v1",
            "kind": "StatefulSet",
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "# Its state is a file, which one pod at a time may use.": None,
                "replicas": 1,
                "serviceName": name,
                "selector": {"matchLabels": labels},
                "template": pod,
                "volumeClaimTemplates": [claim("state", "1Gi")],
            },
        }
    strategy: dict[str, Any]
    replicas = 1
    if deployment.elects:
        reason = "# One leads, and the other stands by: it has the first answer its callers, and leads when that ends."
        replicas = 2
        strategy = {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
        }
    else:
        reason = "# Two roots of one system must not run beside each other."
        strategy = {"type": "Recreate"}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            reason: None,
            "replicas": replicas,
            "strategy": strategy,
            "selector": {"matchLabels": labels},
            "template": pod,
        },
    }


def _single(
    deployment: Deployment, unit: Unit, name: str, labels: dict[str, str], image: str
) -> dict[str, Any]:
    command = [*deployment.arguments(unit.process, deployment.topology.name), "--standby"]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": 1,
            "# The new one stands by, and takes the place of the old one as that ends.": None,
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
            },
            "selector": {"matchLabels": labels},
            "template": pod_of(deployment, labels, command, image, unit.process),
        },
    }


def _replicated(
    deployment: Deployment,
    family: str,
    replicas: int,
    name: str,
    labels: dict[str, str],
    image: str,
) -> dict[str, Any]:
    command = deployment.arguments(f"{family}-$({_INDEX})", deployment.topology.name)
    pod = pod_of(deployment, labels, command, image, family)
    index = {"name": _INDEX, "valueFrom": {"fieldRef": {"fieldPath": _ORDINAL}}}
    pod["spec"]["containers"][0]["env"].insert(0, index)
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "replicas": replicas,
            f"# The pods are the processes {family}-1, {family}-2 and so on.": None,
            "ordinals": {"start": 1},
            "podManagementPolicy": "Parallel",
            "serviceName": name,
            "selector": {"matchLabels": labels},
            "template": pod,
        },
    }


def _budget(name: str, labels: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "labels": labels},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels}},
    }


def _service(port: int, system: str) -> dict[str, Any]:
    labels = labels_of(system, ROOT)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": system, "labels": labels},
        "spec": {
            "selector": labels,
            "ports": [{"name": "http", "port": port, "targetPort": "http"}],
        },
    }


def _scaled(scaler: Scaler, monitor: str, name: str, labels: dict[str, str]) -> dict[str, Any]:
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "scaleTargetRef": {"kind": "StatefulSet", "name": name},
            "# The root waits for those of the topology when it starts.": None,
            "minReplicaCount": scaler.replicas,
            "maxReplicaCount": scaler.replicas * 4,
            "triggers": [
                {
                    "type": "nats-jetstream",
                    "metadata": {
                        "natsServerMonitoringEndpoint": monitor,
                        "account": "$G",
                        "stream": scaler.stream,
                        "consumer": scaler.consumer,
                        "# Messages that wait or are in hand, for each replica.": None,
                        "lagThreshold": "10",
                    },
                }
            ],
        },
    }
