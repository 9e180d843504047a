"""A Dockerfile for a topology, and what is to be kept out of its image."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from importlib.metadata import distributions, version
from pathlib import PurePosixPath

from civitas.deploy.deployment import DATA, IMAGE_USER, Deployment
from civitas.topology import Topology
from civitas.topology.grammar import AgentEntry

__all__ = ["dockerfile", "dockerignore", "missing_requirements"]

_REQUIREMENTS = "requirements.txt"
_CORE = "civitas-core"


def dockerfile(deployment: Deployment, topology: Topology) -> str:
    """The text of the file, to be built in the folder of the topology.

    It installs what `requirements.txt` beside the topology lists; without that file, the packages of Civitas that are
    installed here, as far as the topology needs them.

    Args:
        deployment: What there is to deploy.
        topology: Of the same.
    """
    lines = [
        f"# Made by `civitas deploy dockerfile {deployment.topology.name}`; build it in the folder of that file.",
        f"FROM python:{sys.version_info.major}.{sys.version_info.minor}-slim",
        "ENV PYTHONUNBUFFERED=1 PYTHONFAULTHANDLER=1 PIP_NO_CACHE_DIR=1",
        "ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore",
        f"RUN useradd --uid {IMAGE_USER} --create-home civitas \\",
        f"    && install -d -o civitas -m 0700 {DATA}",
        "WORKDIR /app",
        *_installed(deployment, topology),
        *_environments(topology),
        "COPY . .",
        f"USER {IMAGE_USER}",
        f"CMD {json.dumps(deployment.arguments_of_image())}",
    ]
    return "\n".join(lines) + "\n"


def dockerignore(deployment: Deployment) -> str:
    """What `COPY` leaves out: secrets above all, then what the image has no use for."""
    state = deployment.state_file
    lines = [
        "# No secret may get into the image.",
        "**/.env*",
        "**/*.env",
        "**/*.keys",
        *(
            each.path
            for each in deployment.files
            if not each.variable and not each.path.startswith("/")
        ),
        "# Nor what it has no use for.",
        ".git",
        "**/__pycache__",
        "**/.venv*",
        "**/*.egg-info",
        "compose*.yaml",
        "Dockerfile",
        ".dockerignore",
    ]
    if state and not state.startswith("/") and "${" not in state:
        lines.append(f"{PurePosixPath(state)}*")
    return "\n".join(lines) + "\n"


def _installed(deployment: Deployment, topology: Topology) -> Iterator[str]:
    if (deployment.folder / _REQUIREMENTS).is_file():
        yield f"COPY {_REQUIREMENTS} ./"
        yield f"RUN pip install --requirement {_REQUIREMENTS}"
        return
    yield f"# Write the packages of your agents into {_REQUIREMENTS}, and make this file again."
    yield f"RUN pip install {' '.join(repr(each) for each in _packages(topology))}"


def _packages(topology: Topology) -> Iterator[str]:
    extras = sorted(_extras(topology))
    yield f"{_CORE}{'[' + ','.join(extras) + ']' if extras else ''}=={version(_CORE)}"
    entries = [entry for _, _, entry in topology.walk() if isinstance(entry, AgentEntry)]
    if any(each.wrap for each in entries):
        yield from sorted(_adapters())


def _extras(topology: Topology) -> Iterator[str]:
    entries = [entry for _, _, entry in topology.walk() if isinstance(entry, AgentEntry)]
    states = [] if topology.state is None else [topology.state.type]
    if topology.edge.http is not None:
        yield "web"
    if topology.transport.type == "nats" or "nats_kv" in states:
        yield "nats"
    if topology.transport.type == "zmq" or (
        topology.transport.type == "in_process" and any(each.process for each in entries)
    ):
        yield "zmq"


def _adapters() -> Iterator[str]:
    """Those that are installed here: nothing else tells which one an object of a topology is for."""
    for found in distributions():
        brings = any(each.group == "civitas" for each in found.entry_points)
        if brings and found.name != _CORE:
            yield f"{found.name}=={found.version}"


def missing_requirements(deployment: Deployment, topology: Topology) -> Iterator[str]:
    """A sentence for each list of packages that the Dockerfile wants and nobody has written yet."""
    for folder, file in _requirements(topology).items():
        if not (deployment.folder / file).is_file():
            yield (
                f"{file} is missing, and the image cannot be built without it: write the packages of {folder} into it, "
                f"{next(_packages(topology))} among them"
            )


def _environments(topology: Topology) -> Iterator[str]:
    """The virtual environments of processes with a Python of their own."""
    for folder, file in _requirements(topology).items():
        yield f"COPY {file} ./"
        yield f"RUN python -m venv {folder} && {folder}/bin/pip install --requirement {file}"


def _requirements(topology: Topology) -> dict[str, str]:
    """By environment, the file beside the topology that lists its packages."""
    files: dict[str, str] = {}
    for name, entry in topology.processes.items():
        if entry.python is not None and entry.start and not entry.python.startswith("/"):
            path = PurePosixPath(entry.python)
            folder = path.parents[1] if path.parent.name == "bin" else path
            files.setdefault(str(folder), f"requirements-{name}.txt")
    return files
