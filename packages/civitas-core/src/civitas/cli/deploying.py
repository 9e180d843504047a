"""`civitas deploy`: prints the files, or writes them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from civitas.cli.failures import Refused, say
from civitas.deploy import (
    NATS_HOST,
    Deployment,
    compose_file,
    deployment_of,
    dockerfile,
    dockerignore,
    kubernetes_file,
    missing_requirements,
    systemd_units,
)
from civitas.topology import load_without_environment

__all__ = ["deploy_compose", "deploy_dockerfile", "deploy_kubernetes", "deploy_systemd"]


def deploy_compose(topology: Path, output: Path | None, image: str | None, *, force: bool) -> None:
    """Make a Compose file, and a Dockerfile if the image is to be built.

    Raises:
        CivitasError: The topology cannot be deployed like that, or a file is there.
    """
    deployment = deployment_of(topology, nats=NATS_HOST)
    folder = deployment.folder if output is None else output
    files = {"compose.yaml": compose_file(deployment, image=image, folder=folder)}
    _hand_out(files, output, force=force)
    if output is not None and image is None:
        _write_dockerfile(topology, deployment, deployment.folder, keep=not force)
    builds = [] if image else missing_requirements(deployment, load_without_environment(topology))
    _remark(deployment, *builds)


def deploy_kubernetes(
    topology: Path, output: Path | None, image: str, namespace: str, *, force: bool
) -> None:
    """Make manifests for Kubernetes; raises as `deploy_compose`."""
    deployment = deployment_of(topology, nats="{system}-nats")
    text = kubernetes_file(deployment, image=image, namespace=namespace)
    _hand_out({"kubernetes.yaml": text}, output, force=force)
    _remark(deployment)


def deploy_systemd(topology: Path, output: Path | None, user: str, *, force: bool) -> None:
    """Make units for systemd; raises as `deploy_compose`."""
    deployment = deployment_of(topology)
    # Not resolved: the environment is where the link is, and not where its Python is.
    civitas = Path(sys.executable).absolute().parent / "civitas"
    _hand_out(systemd_units(deployment, civitas=civitas, user=user), output, force=force)


def deploy_dockerfile(topology: Path, output: Path | None, *, force: bool) -> None:
    """Make a Dockerfile; raises as `deploy_compose`."""
    deployment = deployment_of(topology, nats=NATS_HOST)
    if output is None:
        print(dockerfile(deployment, load_without_environment(topology)), end="")
    else:
        _write_dockerfile(topology, deployment, output, keep=False, force=force)
    _remark(deployment, *missing_requirements(deployment, load_without_environment(topology)))


def _write_dockerfile(
    topology: Path, deployment: Deployment, folder: Path, *, keep: bool, force: bool = True
) -> None:
    """Write it with the list of what stays out, unless it is there and to be kept."""
    if keep and (folder / "Dockerfile").exists():
        say(f"{folder / 'Dockerfile'} already exists, and was left as it is")
    else:
        text = dockerfile(deployment, load_without_environment(topology))
        _hand_out({"Dockerfile": text}, folder, force=force)
    if (folder / ".dockerignore").exists():
        say(
            f"{folder / '.dockerignore'} already exists, and was left as it is: check that it keeps .env out"
        )
    else:
        _hand_out({".dockerignore": dockerignore(deployment)}, folder, force=force)


def _hand_out(files: Mapping[str, str], output: Path | None, *, force: bool) -> None:
    if output is None:
        several = len(files) > 1
        for name, text in files.items():
            print(f"{f'# {name}' + chr(10) if several else ''}{text}", end="")
        return
    there = [str(output / name) for name in files if (output / name).exists()]
    if there and not force:
        raise Refused(f"{', '.join(there)} already exists; --force overwrites it")
    try:
        output.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (output / name).write_text(text, encoding="utf-8")
            print(f"{output / name}")
    except OSError as error:
        raise Refused(f"{error.filename or str(output)!r}: {error.strerror}") from error


def _remark(deployment: Deployment, *further: str) -> None:
    for each in (*deployment.remarks, *further):
        say(f"{deployment.topology}: {each}")
