"""What several manifests are made of."""

from __future__ import annotations

import re
from typing import Any

from civitas.deploy.deployment import ROOT
from civitas.deploy.naming import cut
from civitas.deploy.yaml_text import OneLine

__all__ = ["NATS", "claim", "component_of", "kubernetes_name", "labels_of", "workload_name"]

NATS = "nats"
"""The component that the NATS server is; a process of that name gets another one."""

_LONGEST = 50
"""Characters: a label has 63, and what is made of a name adds a word to it."""
_LONGEST_WORKLOAD = 52
"""Characters: the pods of a StatefulSet have a label that adds 11."""


def kubernetes_name(text: str) -> str:
    """A name as Kubernetes takes it."""
    name = re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")
    return cut(name if name[:1].isalpha() else f"c-{name}".rstrip("-"), _LONGEST)


def component_of(process: str) -> str:
    """A process, among those of its system."""
    name = kubernetes_name(process)
    return f"{name}-process" if name in (NATS, ROOT) else name


def workload_name(system: str, component: str) -> str:
    """What runs the pods of a component."""
    return cut(f"{system}-{component}", _LONGEST_WORKLOAD)


def labels_of(system: str, component: str) -> dict[str, str]:
    """By which a workload and its pods are known."""
    return {
        "app.kubernetes.io/name": "civitas",
        "app.kubernetes.io/instance": system,
        "app.kubernetes.io/component": component,
    }


def claim(name: str, size: str) -> dict[str, Any]:
    """A claim for a volume of one pod."""
    return {
        "metadata": {"name": name},
        "spec": {
            "accessModes": OneLine(["ReadWriteOnce"]),
            "resources": {"requests": {"storage": size}},
        },
    }
