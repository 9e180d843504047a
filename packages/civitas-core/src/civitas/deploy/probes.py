"""How a container is asked whether it lives, and whether it is ready: by the files of `civitas.launch.vitals`."""

from __future__ import annotations

__all__ = ["HEALTH_FOLDER", "IS_ALIVE", "IS_READY", "asks"]

_TEMPORARY = "/tmp"  # noqa: S108  (a container's own)
HEALTH_FOLDER = f"{_TEMPORARY}/civitas-health"

IS_ALIVE = f'test -n "$(find {HEALTH_FOLDER}/alive -mmin -1)"'
"""The file is touched each second while the event loop turns; no interpreter has to start to see that."""

IS_READY = f"test -e {HEALTH_FOLDER}/ready && {IS_ALIVE}"


def asks(port: int, path: str) -> list[str]:
    """The command that asks the HTTP edge from within the container, which has no other client."""
    ask = (
        f"import urllib.request; urllib.request.urlopen('http://127.0.0.1:{port}{path}', timeout=4)"
    )
    return ["python", "-c", ask]
