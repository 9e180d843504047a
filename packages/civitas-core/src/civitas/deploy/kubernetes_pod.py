"""The pod of a process: its container, its environment, its probes, and how it is stopped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from civitas.deploy.deployment import IMAGE_USER, ROOT, Deployment
from civitas.deploy.kubernetes_parts import kubernetes_name
from civitas.deploy.probes import HEALTH_FOLDER, IS_ALIVE, IS_READY
from civitas.deploy.yaml_text import OneLine

__all__ = ["pod_of"]

_PRE_STOP = 5
"""Seconds in which the others hear that a pod goes, and send nothing more to it."""


def pod_of(
    deployment: Deployment, labels: dict[str, str], command: list[str], image: str, process: str
) -> dict[str, Any]:
    """The template of its pods.

    Args:
        deployment: What there is to deploy.
        labels: Of the pod.
        command: Of its container.
        image: Likewise.
        process: That it is.
    """
    system = kubernetes_name(deployment.system)
    volumes: list[dict[str, Any]] = [{"name": "tmp", "emptyDir": {}}]
    mounts: list[dict[str, Any]] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108
    if deployment.files:
        secret = {"secretName": f"{system}-files", "defaultMode": 0o440}
        volumes.append({"name": "files", "secret": secret})
        mounts += [
            {
                "name": "files",
                "mountPath": file.there,
                "subPath": file.key,
                "readOnly": True,
            }
            for file in deployment.files
        ]
    container: dict[str, Any] = {
        "name": "civitas",
        "image": image,
        "command": OneLine(command),
        "env": list(_environment(deployment, system)),
        "envFrom": [{"secretRef": {"name": f"{system}-env", "optional": True}}],
    }
    port = deployment.edge.port if process == ROOT and deployment.edge is not None else None
    if port is not None:
        container["ports"] = [{"name": "http", "containerPort": port}]
    container |= {
        **_probes(is_open=port is not None and _is_open(deployment)),
        "lifecycle": {"preStop": {"exec": {"command": OneLine(["sleep", str(_PRE_STOP)])}}},
        "# resources: {requests: {cpu: 250m, memory: 256Mi}, limits: {memory: 1Gi}}": None,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": OneLine(["ALL"])},
        },
        "volumeMounts": mounts,
    }
    return {
        "metadata": {"labels": labels},
        "spec": {
            _grace_of(deployment): None,
            "terminationGracePeriodSeconds": deployment.grace + _PRE_STOP,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "# Its first process then takes in those that lost their parent, such as servers of tools.": None,
            "shareProcessNamespace": True,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": IMAGE_USER,
                "runAsGroup": IMAGE_USER,
                "fsGroup": IMAGE_USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [container],
            "volumes": volumes,
        },
    }


def _grace_of(deployment: Deployment) -> str:
    twice = " twice (for steps, and for answers of the next root)" if deployment.elects else ""
    return f"# preStop, drain_timeout {deployment.drain:g}{twice}, the longest shutdown_timeout, and a rest."


def _is_open(deployment: Deployment) -> bool:
    return deployment.edge is not None and deployment.edge.open


def _probes(*, is_open: bool) -> dict[str, Any]:
    # Not by the edge: that listens when all agents have started, however long they take.
    live: dict[str, Any] = {"exec": {"command": OneLine(["sh", "-c", IS_ALIVE])}}
    ready: dict[str, Any] = {"exec": {"command": OneLine(["sh", "-c", IS_READY])}}
    if is_open:
        ready = {"httpGet": {"path": "/readyz", "port": "http"}}
    return {
        "livenessProbe": {**live, "periodSeconds": 20, "timeoutSeconds": 5, "failureThreshold": 3},
        "readinessProbe": {**ready, "periodSeconds": 5, "timeoutSeconds": 5},
    }


def _environment(deployment: Deployment, system: str) -> Iterator[dict[str, Any]]:
    yield {"name": "CIVITAS_HEALTH", "value": HEALTH_FOLDER}
    for variable, value in deployment.environment():
        if value:
            yield {"name": variable.name, "value": value}
            continue
        key = {"name": f"{system}-env", "key": variable.name}
        if not variable.required:
            key["optional"] = True  # type: ignore[assignment]
        yield {"name": variable.name, "valueFrom": {"secretKeyRef": key}}
