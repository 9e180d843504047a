"""`Deployment`: what there is to deploy of a topology, whatever tool it is deployed with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from civitas.deploy.nats_plan import NatsPlan
from civitas.deploy.scalers import Scaler
from civitas.deploy.secrets import SecretFile, Variable

__all__ = ["DATA", "IMAGE_USER", "ROOT", "Deployment", "HttpPort", "Unit"]

ROOT = "root"
"""The process that runs the supervision tree."""

DATA = "/data"
"""The folder of a container that outlives it."""


IMAGE_USER = 10001
"""The user that the processes of the image run as: a number, so that Kubernetes sees that it is not root."""


@dataclass(frozen=True)
class Unit:
    """Something that is started by itself.

    Attributes:
        process: Of the topology.
        family: The process as the topology names it; another name if it has replicas.
        start_timeout: Seconds in which it should be ready; None for any time.
    """

    process: str
    family: str
    start_timeout: float | None


@dataclass(frozen=True)
class HttpPort:
    """The HTTP edge.

    Attributes:
        port: That it listens at.
        open: Whether it lets in others than its own machine or container.
    """

    port: int
    open: bool


@dataclass(frozen=True)
class Deployment:
    """What there is to deploy.

    Attributes:
        topology: The path of its file, as it was given.
        system: Its name.
        units: The root, and each process that is started beside it.
        settings: What holds in all of them instead of what the topology says, as for `--set`.
        settings_of_root: What does so in the root.
        settings_of_image: Those of both that a container by itself needs, which does what `civitas run` does.
        variables: The environment variables that it needs.
        files: The files with secrets that it names.
        drain: Seconds that the mailboxes get to run empty.
        grace: Seconds from SIGTERM to the end, at most.
        edge: The HTTP edge; None if it has none.
        nats: The NATS server that is deployed with it; None if it needs none, or has one elsewhere.
        state_file: The file that it keeps state in, as the topology names it; empty for none.
        elects: Whether a second root may stand by.
        scalers: By process, what tells how many replicas an agent needs.
        remarks: What whoever deploys it should know.
    """

    topology: Path
    system: str
    units: tuple[Unit, ...]
    settings: tuple[str, ...]
    settings_of_root: tuple[str, ...]
    settings_of_image: tuple[str, ...]
    variables: tuple[Variable, ...]
    files: tuple[SecretFile, ...]
    drain: float
    grace: int
    edge: HttpPort | None
    nats: NatsPlan | None
    state_file: str
    elects: bool
    scalers: dict[str, Scaler]
    remarks: tuple[str, ...]

    @property
    def folder(self) -> Path:
        """Of the topology."""
        return self.topology.resolve().parent

    def families(self) -> Iterator[tuple[str, list[Unit]]]:
        """The units beside the root, by the process that the topology names."""
        names = dict.fromkeys(each.family for each in self.units if each.process != ROOT)
        for name in names:
            yield name, [each for each in self.units if each.family == name]

    def environment(self) -> Iterator[tuple[Variable, str]]:
        """The variables, each with its value if that is known and no secret, and an empty text if it is not."""
        known = {each.variable: each.there for each in self.files}
        if self.nats is not None:
            known[self.nats.variable] = self.nats.url
        for each in self.variables:
            yield each, known.get(each.name, "")

    def arguments(self, process: str, topology: str) -> list[str]:
        """The command line of a process, with the topology at that path."""
        which = [] if process == ROOT else ["--process", process]
        settings = [*self.settings, *(self.settings_of_root if process == ROOT else ())]
        return _command(topology, which, settings)

    def arguments_of_image(self) -> list[str]:
        """The command line that an image has by itself: for one container with everything that the root starts."""
        return _command(self.topology.name, [], self.settings_of_image)


def _command(topology: str, which: Iterable[str], settings: Iterable[str]) -> list[str]:
    return ["civitas", "run", topology, *which, *(f"--set={each}" for each in settings)]
