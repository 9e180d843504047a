"""What several manifests are made of."""

from __future__ import annotations

import re
from typing import Any

from civitas.deploy.yaml_text import OneLine

__all__ = ["claim", "file_key", "kubernetes_name", "labels_of"]


def kubernetes_name(text: str) -> str:
    """A name as Kubernetes takes it."""
    name = re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")[:50].strip("-")
    return name if name[:1].isalpha() else f"c-{name}".rstrip("-")


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


def file_key(file: str) -> str:
    """The key of a file in a Secret."""
    return re.sub(r"[^a-zA-Z0-9._-]+", "-", file).strip("-.")
