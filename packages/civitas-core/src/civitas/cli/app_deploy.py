"""`civitas deploy ...`: arguments, help, and where each command is carried out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from civitas.cli.options import HERE, TopologyFile, Verbose, examples

__all__ = ["deploy_app"]

deploy_app = typer.Typer(
    help="Make the files by which a topology is deployed.",
    epilog=examples(
        "civitas deploy compose topology.yaml --output .",
        "civitas deploy kubernetes topology.yaml --image registry.example.com/team:1",
        "civitas deploy systemd topology.yaml --output /etc/systemd/system",
        "civitas deploy dockerfile topology.yaml --output .",
    ),
    no_args_is_help=True,
)

Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="DIR",
        help="The folder to write to; without it, the files are printed.",
        show_default=False,
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")]


@deploy_app.command(
    epilog=examples(
        "civitas deploy compose topology.yaml",
        "civitas deploy compose topology.yaml --output .",
        "civitas deploy compose topology.yaml --image registry.example.com/team:1 --output deploy",
    )
)
def compose(
    topology: TopologyFile = HERE,
    output: Output = None,
    image: Annotated[
        str | None,
        typer.Option(
            "--image",
            metavar="NAME",
            help="The image of the processes; without it, it is built from a Dockerfile.",
        ),
    ] = None,
    force: Force = False,
    verbose: Verbose = False,
) -> None:
    """Make a Compose file: a service for each process, and a NATS server if it needs one.

    Without --image also a Dockerfile, and a .dockerignore that keeps secrets out
    of the image. No value of an environment variable gets into a file.
    """
    from civitas.cli.deploying import deploy_compose

    deploy_compose(topology, output, image, force=force)


@deploy_app.command(
    epilog=examples(
        "civitas deploy kubernetes topology.yaml --image registry.example.com/team:1",
        "civitas deploy kubernetes topology.yaml --image team:1 | kubectl apply -f -",
    )
)
def kubernetes(
    topology: TopologyFile = HERE,
    *,
    image: Annotated[
        str,
        typer.Option(
            "--image", metavar="NAME", help="The image of the processes.", show_default=False
        ),
    ],
    namespace: Annotated[
        str, typer.Option("--namespace", metavar="NAME", help="Where the manifests go.")
    ] = "default",
    output: Output = None,
    force: Force = False,
    verbose: Verbose = False,
) -> None:
    """Make manifests for Kubernetes: workloads, probes, a NATS server, a scaler for KEDA.

    Secrets are references to a Secret, which the first lines say how to create.
    """
    from civitas.cli.deploying import deploy_kubernetes

    deploy_kubernetes(topology, output, image, namespace, force=force)


@deploy_app.command(
    epilog=examples(
        "civitas deploy systemd topology.yaml",
        "sudo civitas deploy systemd topology.yaml --output /etc/systemd/system",
    )
)
def systemd(
    topology: TopologyFile = HERE,
    user: Annotated[
        str, typer.Option("--user", metavar="NAME", help="The user that the processes run as.")
    ] = "civitas",
    output: Output = None,
    force: Force = False,
    verbose: Verbose = False,
) -> None:
    """Make units for systemd: one for each process, with a watchdog.

    They run this installation of Civitas, and the topology where it is.
    """
    from civitas.cli.deploying import deploy_systemd

    deploy_systemd(topology, output, user, force=force)


@deploy_app.command(
    epilog=examples(
        "civitas deploy dockerfile topology.yaml --output .", "docker build --tag team:1 ."
    )
)
def dockerfile(
    topology: TopologyFile = HERE,
    output: Output = None,
    force: Force = False,
    verbose: Verbose = False,
) -> None:
    """Make a Dockerfile for a topology, and a .dockerignore that keeps secrets out of the image.

    It installs requirements.txt; without that, the Civitas packages found here.
    """
    from civitas.cli.deploying import deploy_dockerfile

    deploy_dockerfile(topology, output, force=force)
