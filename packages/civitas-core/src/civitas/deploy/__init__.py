"""Files by which a topology is deployed: for Compose, Kubernetes and systemd, and a Dockerfile.

`deployment_of` finds out what there is to deploy, and each kind of file is a function of that. Nothing is started,
nothing that the topology names is imported, and no environment variable is read, so no secret gets into a file.
"""

from __future__ import annotations

from civitas.deploy.compose import NATS_HOST, compose_file
from civitas.deploy.deployment import Deployment
from civitas.deploy.dockerfile import dockerfile, dockerignore, missing_requirements
from civitas.deploy.kubernetes import kubernetes_file
from civitas.deploy.planning import deployment_of
from civitas.deploy.systemd import systemd_units

__all__ = [
    "NATS_HOST",
    "Deployment",
    "compose_file",
    "deployment_of",
    "dockerfile",
    "dockerignore",
    "kubernetes_file",
    "missing_requirements",
    "systemd_units",
]
