"""A Compose file: a service for each process, and a NATS server if the topology needs one here."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from civitas.deploy.deployment import DATA, IMAGE_USER, ROOT, Deployment, Unit
from civitas.deploy.naming import distinct
from civitas.deploy.nats_plan import NATS_IMAGE, NatsPlan
from civitas.deploy.probes import HEALTH_FOLDER, IS_READY, asks
from civitas.deploy.secrets import SecretFile
from civitas.deploy.yaml_text import MERGED, Common, OneLine, documents

__all__ = ["NATS_HOST", "compose_file"]

NATS_HOST = "nats"
"""The host of the NATS server; a process of that name gets another one."""

_UNFIT = re.compile(r"[^a-zA-Z0-9._-]+")
_CONFIGURATION = "/etc/nats/civitas.conf"
_RESOURCES = "# deploy: {resources: {limits: {cpus: '1', memory: 1g}}}"


def compose_file(deployment: Deployment, *, image: str | None, folder: Path) -> str:
    """The text of the file.

    Args:
        deployment: What there is to deploy.
        image: Of the processes; it is built beside the topology when None.
        folder: Where the file is to be.

    Raises:
        ConfigurationError: Two processes would be the same service.
    """
    common = Common(_common(deployment, image, folder))
    names = distinct((unit.process for unit in deployment.units), _service_name, "Compose")
    services: dict[str, Any] = {
        names[unit.process]: _service(deployment, unit, common) for unit in deployment.units
    }
    data: dict[str, Any] = {
        "name": _project_name(deployment.system),
        "x-process": common,
        "services": services,
    }
    volumes: dict[str, Any] = {}
    if deployment.nats is not None:
        services[NATS_HOST] = _nats(deployment.nats)
        text = deployment.nats.configuration(DATA).replace("$", "$$")  # Compose would replace it
        data["configs"] = {"nats": {"content": text}}
        volumes["nats"] = {}
    if deployment.state_file:
        volumes["state"] = {}
    if volumes:
        data["volumes"] = volumes
    if deployment.files:
        data["secrets"] = {
            file.key: {"file": _secret_file(file, deployment, folder)} for file in deployment.files
        }
    return documents(data, above=_above(deployment, image))


def _service_name(process: str) -> str:
    name = _UNFIT.sub("-", process).strip("-.") or "process"
    return f"{name}-process" if name == NATS_HOST else name


def _project_name(system: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", system.lower()).strip("-_") or "civitas"


def _secret_file(file: SecretFile, deployment: Deployment, folder: Path) -> str:
    if file.variable:
        return f"${{{file.variable}:?write {file.variable} into .env}}"
    return _relative(deployment.folder / file.path, folder)


def _relative(path: Path, folder: Path) -> str:
    relative = os.path.relpath(path, folder.resolve())
    return relative if relative.startswith(".") else f"./{relative}"


def _above(deployment: Deployment, image: str | None) -> Iterator[str]:
    yield f"Made by `civitas deploy compose {deployment.topology.name}`."
    yield f"Start it: docker compose up --detach{' --build' if image is None else ''}"
    if deployment.variables:
        yield "The variables come from a file .env beside this one, which only you should be able to read."
    if len(deployment.units) > 1:
        yield "Replace one process, and no other: docker compose up --detach --no-deps SERVICE"
    if deployment.files:
        files = " ".join(each.path for each in deployment.files)
        yield f"The processes read the files with secrets as user {IMAGE_USER}: setfacl -m u:{IMAGE_USER}:r {files}"
    yield from deployment.remarks


def _common(deployment: Deployment, image: str | None, folder: Path) -> dict[str, Any]:
    """What the services of all processes have."""
    service: dict[str, Any] = {"image": image or f"{_project_name(deployment.system)}:latest"}
    if image is None:
        service["build"] = {
            "context": _relative(deployment.folder, folder),
            "dockerfile": "Dockerfile",
        }
    service["environment"] = dict(_environment(deployment))
    service["env_file"] = [{"path": ".env", "required": False}]
    if deployment.nats is not None:
        service["depends_on"] = {NATS_HOST: {"condition": "service_healthy"}}
    if deployment.state_file:
        service["volumes"] = [f"state:{DATA}"]
    if deployment.files:
        service["secrets"] = [
            {"source": file.key, "target": file.there} for file in deployment.files
        ]
    service["healthcheck"] = _health(["CMD-SHELL", IS_READY.replace("$", "$$")])
    service["stop_grace_period"] = f"{deployment.grace}s"
    return {**service, **_HELD, _RESOURCES: None}


def _service(deployment: Deployment, unit: Unit, common: Common) -> dict[str, Any]:
    command = deployment.arguments(unit.process, deployment.topology.name)
    literal = [each.replace("$", "$$") for each in command]  # Compose would replace it
    service: dict[str, Any] = {MERGED: common, "command": OneLine(literal)}
    edge = deployment.edge
    if unit.process == ROOT and edge is not None:
        service["healthcheck"] = _health(["CMD", *asks(edge.port, "/readyz")])
        if edge.open:
            service["ports"] = [f"{edge.port}:{edge.port}"]
    return service


def _health(test: list[str]) -> dict[str, Any]:
    return {
        "test": OneLine(test),
        "interval": "10s",
        "timeout": "5s",
        "retries": 3,
        "start_period": "60s",
    }


_HELD = {
    "restart": "unless-stopped",
    "init": True,
    "cap_drop": OneLine(["ALL"]),
    "security_opt": OneLine(["no-new-privileges:true"]),
}


def _environment(deployment: Deployment) -> Iterator[tuple[str, str]]:
    yield "CIVITAS_HEALTH", HEALTH_FOLDER
    for variable, value in deployment.environment():
        name = variable.name
        missing = f":?write {name} into .env" if variable.required else ":-"
        yield name, value or f"${{{name}{missing}}}"


def _nats(nats: NatsPlan) -> dict[str, Any]:
    service: dict[str, Any] = {"image": NATS_IMAGE, "command": OneLine(["-c", _CONFIGURATION])}
    if nats.variables:
        service["environment"] = {
            name: f"'${{{name}:?write {name} into .env}}'" for name in nats.variables
        }
    return {
        **service,
        "configs": [{"source": "nats", "target": _CONFIGURATION}],
        "volumes": [f"nats:{DATA}"],
        "healthcheck": {
            "test": OneLine(["CMD", "wget", "-q", "-O", "-", "http://127.0.0.1:8222/healthz"]),
            "interval": "5s",
            "timeout": "3s",
            "retries": 12,
            "start_period": "30s",
        },
        "restart": "unless-stopped",
    }
