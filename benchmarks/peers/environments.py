"""The environments of the peers, in `.peers`: made when they are first used, and made again when their pins change."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from uuid import uuid4

from benchmarks.peers.contestant import Contestant, Failed
from benchmarks.peers.registry import Peer

__all__ = ["ROOT", "install", "started"]

ROOT = Path(__file__).parents[2]
_ALL = ROOT / ".peers"
_PROGRAMS = "benchmarks.peers.programs"

# Against what would tell others of a run, listen beyond this machine, write into the user's folders, or wait too
# short a time where much else runs.
_QUIET = {
    # The SDK's own tracing sends to its vendor; Civitas takes that off, so nobody has it.
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    # What Ray does on other systems than Linux: its processes listen on loopback.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": uuid4().hex,
    "RAY_raylet_start_wait_time_s": "120",
}


def install(peer: Peer) -> Path:
    """Make what `peer` needs, if it is not there, and return its folder.

    Raises:
        Failed: It cannot be had here; the text says why.
    """
    folder = _ALL / peer.name
    if peer.inside:
        folder.mkdir(parents=True, exist_ok=True)
        return folder
    stamp = folder / ".ready"
    wanted = "\n".join((peer.python, *peer.npm, peer.debian, _pins(peer)))
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        if _pins(peer):
            _python(peer, folder)
        if peer.npm:
            _npm(peer, folder)
        if peer.debian:
            _debian(peer, folder)
        stamp.write_text(wanted)
    return folder


def started(peer: Peer, folder: Path) -> Contestant:
    """The program of `peer`, in the folder that `install` returned."""
    return Contestant(_command(peer, folder), folder / "log", _variables(folder))


def _variables(folder: Path) -> dict[str, str]:
    return {"PEER": str(folder), **_QUIET}


def _command(peer: Peer, folder: Path) -> list[str]:
    if peer.debian:
        return ["sh", str(ROOT / _PROGRAMS.replace(".", "/") / f"{peer.name}.sh"), str(folder)]
    python = ROOT / ".venv" if peer.inside else folder
    return [str(python / "bin/python"), "-m", f"{_PROGRAMS}.{peer.name}"]


def _file(peer: Peer) -> Path:
    return ROOT / "constraints" / f"peers-{peer.name}.txt"


def _pins(peer: Peer) -> str:
    return _file(peer).read_text() if _file(peer).exists() else ""


def _python(peer: Peer, folder: Path) -> None:
    python = _said("scripts/find-python.sh")
    if peer.python != "3.11":
        python = _said("scripts/find-version.sh", peer.python)
        if not python:
            raise Failed(f"it needs Python {peer.python}, and none was found")
    _said("scripts/uv.sh", "venv", "--quiet", "--clear", "--python", python, folder)
    pip = ("scripts/uv.sh", "pip", "install", "--quiet", "--python", folder / "bin/python")
    _said(*pip, "--exact", "--requirement", _file(peer))


def _npm(peer: Peer, folder: Path) -> None:
    if not shutil.which("npm"):
        raise Failed("it is a package of npm, and there is no npm")
    _said("npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, *peer.npm)


def _debian(peer: Peer, folder: Path) -> None:
    if not shutil.which("apt-get"):
        raise Failed(f"there is no {peer.name} on this machine, and no apt-get to get it with")
    download = ("apt-get", "download", "--quiet=2", peer.debian)
    try:
        _said(*download, where=folder)
    except Failed:
        _said("apt-get", "update", "--quiet=2")
        _said(*download, where=folder)
    for package in folder.glob("*.deb"):
        _said("dpkg-deb", "--extract", package, folder)
        package.unlink()


def _said(*words: str | Path, where: Path = ROOT) -> str:
    """What a command prints."""
    done = subprocess.run(words, cwd=where, capture_output=True, text=True, check=False)
    if done.returncode:
        why = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise Failed(f"{words[0]} failed: {''.join(why)}")
    return done.stdout.strip()
