"""Images that Podman builds and containers that it runs, on a base made from Debian's packages."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.house.project import ROOT

__all__ = ["Container", "Podman"]

LIMIT = 4096
"""Less than the default of Podman, which is more than a machine that is confined itself may give."""


class Podman:
    """Podman with images, containers and volumes in a folder of its own; nobody else's are seen or changed.

    Without what it takes, the test is skipped with the reason.
    """

    def __init__(self, folder: Path) -> None:
        for program in ("podman", "mmdebstrap"):
            if shutil.which(program) is None:
                pytest.skip(f"no {program} here: apt-get install podman runc mmdebstrap")
        if os.geteuid() != 0:
            pytest.skip("only root makes a base image from Debian's packages")
        self._folder = folder
        self._options = [
            *("--root", str(folder / "store"), "--runroot", str(folder / "run")),
            *("--tmpdir", str(folder / "tmp"), "--storage-driver", "overlay"),
            *("--cgroup-manager", "cgroupfs", "--events-backend", "none"),
        ]
        if shutil.which("runc"):  # crun refuses a machine with both kinds of control groups
            self._options += ["--runtime", "runc"]
        self.limits = [f"--ulimit={name}={LIMIT}:{LIMIT}" for name in ("nofile", "nproc")]

    def __call__(self, *arguments: str | Path) -> str:
        """Call `podman ARGUMENTS...`; returns what it prints."""
        done = subprocess.run(
            self.command(*arguments), capture_output=True, text=True, check=False, timeout=600
        )
        assert done.returncode == 0, f"podman {arguments}:\n{done.stdout[-5000:]}\n{done.stderr}"
        return done.stdout.strip()

    def command(self, *arguments: str | Path) -> list[str]:
        return ["podman", *self._options, *map(str, arguments)]

    def make_base(self, name: str) -> None:
        """Make an image like the official one of Python: Debian with `python` and `pip`."""
        archive = self._folder / "debian.tar"
        suite = platform.freedesktop_os_release().get("VERSION_CODENAME", "stable")
        packages = "python3,python3-venv,ca-certificates"
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", suite]
        subprocess.run([*command, archive], check=True)
        self("import", "--quiet", archive, "localhost/debian")
        context = self._folder / "base"
        context.mkdir()
        (context / "Dockerfile").write_text(
            "FROM localhost/debian\n"
            "RUN python3 -m venv /usr/local/python\n"
            "ENV PATH=/usr/local/python/bin:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin\n"
        )
        self("build", "--quiet", *self.limits, "--pull=never", "--tag", name, context)

    def build(self, context: Path, tag: str, *, dist: Path) -> None:
        """Build the image of a folder, with the packages of this repository in the place of the published ones."""
        key = "index-url"
        asked = [sys.executable, "-m", "pip", "config", "get", f"global.{key}"]
        index = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
        settings = ["find-links = /dist", "constraint = /constraints.txt"]
        settings += [f"{key} = {index}"] if index else []
        authorities = Path("/etc/ssl/certs/ca-certificates.crt")
        settings += [f"cert = {authorities}"] if authorities.exists() else []
        configuration = self._folder / "pip.conf"
        configuration.write_text("\n".join(["[global]", *settings, ""]))
        # Only while it is built: nothing of this machine is in the image.
        mounts = {
            configuration: "/etc/pip.conf",
            dist: "/dist",
            ROOT / "constraints" / "a.txt": "/constraints.txt",
            authorities.parent: str(authorities.parent),
        }
        volumes = [f"--volume={here}:{there}:ro" for here, there in mounts.items()]
        self("build", *self.limits, "--network=host", "--pull=never", *volumes, "-t", tag, context)

    def close(self) -> None:
        """Remove the containers, and the images with them."""
        self("rm", "--all", "--force", "--time=0")
        self("rmi", "--all", "--force")


class Container:
    """A container that runs in the background, with no network, as the Compose file lets it run.

    Args:
        podman: What runs it.
        image: Its image.
        options: Of `podman run`.
        command: What it runs; nothing for what the image says.
    """

    def __init__(
        self, podman: Podman, image: str, options: Sequence[str] = (), command: Sequence[str] = ()
    ) -> None:
        self._podman = podman
        held = ["--network=none", "--cap-drop=all", "--security-opt=no-new-privileges"]
        self._name = podman("run", "--detach", *podman.limits, *held, *options, image, *command)

    def until(self, words: str) -> str:
        """Read its log up to a line with those words, and return that line."""
        command = self._podman.command("logs", "--follow", self._name)
        read = list[str]()
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as log:
            assert log.stdout is not None
            for line in log.stdout:
                read.append(line)
                if words in line:
                    log.kill()
                    return line
        pytest.fail(f"no line with {words!r}: {''.join(read)}")

    def __call__(self, *command: str) -> str:
        """Run a command in it; returns what that prints."""
        return self._podman("exec", self._name, *command)

    def signal(self, name: str) -> None:
        self._podman("kill", f"--signal={name}", self._name)

    def end(self) -> int:
        """Wait for its end; returns the exit code."""
        return int(self._podman("wait", self._name))

    def log(self) -> str:
        return self._podman("logs", self._name)
