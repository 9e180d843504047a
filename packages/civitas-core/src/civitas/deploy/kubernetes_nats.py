"""The manifests of the NATS server that is deployed with a system."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from civitas.deploy.deployment import DATA
from civitas.deploy.kubernetes_parts import claim
from civitas.deploy.nats_plan import NATS_IMAGE, NatsPlan
from civitas.deploy.yaml_text import OneLine

__all__ = ["nats_manifests"]

_CONFIGURATION = "/etc/nats"


def nats_manifests(nats: NatsPlan, system: str, labels: dict[str, str]) -> Iterator[dict[str, Any]]:
    """A server with its configuration, its storage and its name.

    Args:
        nats: The server.
        system: The system, as the names of its manifests begin.
        labels: Of the server.
    """
    name = f"{system}-nats"
    metadata = {"name": name, "labels": labels}
    yield {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {"nats.conf": nats.configuration(DATA)},
    }
    yield {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {
            "clusterIP": "None",
            "selector": labels,
            "ports": [{"name": "client", "port": 4222}, {"name": "monitor", "port": 8222}],
        },
    }
    yield {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata,
        "spec": {
            "# One server; for three, which survive the loss of one, use the Helm chart of NATS.": None,
            "replicas": 1,
            "serviceName": name,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {
                    "automountServiceAccountToken": False,
                    "securityContext": {
                        "runAsNonRoot": True,
                        "runAsUser": 1000,
                        "fsGroup": 1000,
                        "seccompProfile": {"type": "RuntimeDefault"},
                    },
                    "containers": [_container(nats, system)],
                    "volumes": [{"name": "configuration", "configMap": {"name": name}}],
                },
            },
            "volumeClaimTemplates": [claim("data", "10Gi")],
        },
    }


def _container(nats: NatsPlan, system: str) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": "nats",
        "image": NATS_IMAGE,
        "args": OneLine(["-c", f"{_CONFIGURATION}/nats.conf"]),
    }
    if nats.variables:
        container["env"] = list(_environment(nats, system))
    return {
        **container,
        "ports": [
            {"name": "client", "containerPort": 4222},
            {"name": "monitor", "containerPort": 8222},
        ],
        "startupProbe": {**_asks(""), "periodSeconds": 5, "failureThreshold": 60},
        "# One stream that is not well must not keep everybody from the others.": None,
        "readinessProbe": {**_asks("?js-server-only=true"), "periodSeconds": 5},
        "livenessProbe": {
            **_asks("?js-enabled-only=true"),
            "periodSeconds": 30,
            "failureThreshold": 3,
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": OneLine(["ALL"])},
        },
        "volumeMounts": [
            {"name": "configuration", "mountPath": _CONFIGURATION},
            {"name": "data", "mountPath": DATA},
        ],
    }


def _asks(query: str) -> dict[str, Any]:
    return {"httpGet": {"path": f"/healthz{query}", "port": "monitor"}}


def _environment(nats: NatsPlan, system: str) -> Iterator[dict[str, Any]]:
    for each in nats.variables:
        key = {"name": f"{system}-env", "key": each}
        yield {"name": f"{each}_BARE", "valueFrom": {"secretKeyRef": key}}
        yield {"name": each, "value": f"'$({each}_BARE)'"}
