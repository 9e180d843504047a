"""Units for systemd: one for each process, which tells when it is ready and feeds the watchdog."""

from __future__ import annotations

import re
from pathlib import Path

from civitas.deploy.deployment import ROOT, Deployment, Unit
from civitas.deploy.naming import distinct

__all__ = ["systemd_units"]

_WATCHDOG = 30
"""Seconds without a sign of life after which systemd ends the process and starts another."""


def systemd_units(deployment: Deployment, *, civitas: Path, user: str) -> dict[str, str]:
    """The units, by the names of their files.

    Args:
        deployment: What there is to deploy, on the machine as it is.
        civitas: The command, with the environment that it is installed in.
        user: The user that the processes run as.

    Raises:
        ConfigurationError: Two processes would be the same unit.
    """
    names = distinct((unit.process for unit in deployment.units), _plain, "systemd")
    system = f"civitas-{_plain(deployment.system)}"
    files = {
        process: system if process == ROOT else f"{system}-{name}"
        for process, name in names.items()
    }
    return {
        f"{files[unit.process]}.service": _unit(deployment, unit, civitas, user)
        for unit in deployment.units
    }


def _plain(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-.") or "system"


def _unit(deployment: Deployment, unit: Unit, civitas: Path, user: str) -> str:
    name = _plain(deployment.system)
    file = deployment.topology.resolve()
    command = [str(civitas), *deployment.arguments(unit.process, str(file))[1:]]
    needs = any(each.required for each in deployment.variables)
    lines = [
        f"# Made by `civitas deploy systemd {file.name}`.",
        "[Unit]",
        f"Description={_escaped(deployment.system)}: "
        + ("agents of Civitas" if unit.process == ROOT else _escaped(f"process {unit.process}")),
        "Wants=network-online.target",
        "After=network-online.target",
        "# No After= between the processes: the root waits for the others, and they for the root.",
        "StartLimitIntervalSec=60",
        "StartLimitBurst=10",
        "",
        "[Service]",
        "Type=notify",
        "NotifyAccess=main",
        f"ExecStart={' '.join(_quoted(each) for each in command)}",
        f"WorkingDirectory={_escaped(str(file.parent))}",
        f"User={user}",
        "# Variables and API keys, as NAME=VALUE lines in a file that only root can read.",
        f"EnvironmentFile={'' if needs else '-'}/etc/civitas/{name}.env",
        "Environment=PYTHONUNBUFFERED=1 PYTHONFAULTHANDLER=1",
        "# Where the processes of this machine, and commands, find each other. To look into it:",
        f"# sudo -u {user} env XDG_STATE_HOME=/var/lib/civitas-{name} {_quoted(str(civitas))} top {_quoted(str(file))}",
        f"Environment=XDG_STATE_HOME=/var/lib/civitas-{name}",
        f"StateDirectory=civitas-{name}",
        "StateDirectoryMode=0700",
        *_start(unit),
        f"WatchdogSec={_WATCHDOG}",
        "Restart=always",
        "RestartSec=1",
        "# SIGTERM goes to the process itself, which drains; what is left of it is killed at the end.",
        "KillMode=mixed",
        f"TimeoutStopSec={deployment.grace}",
        *_hardening(deployment),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def _start(unit: Unit) -> list[str]:
    if unit.process != ROOT:
        return [
            "# It is ready when it has joined the root, however late that comes.",
            "TimeoutStartSec=infinity",
        ]
    limit = "infinity" if unit.start_timeout is None else f"{unit.start_timeout:g}"
    return [f"TimeoutStartSec={limit}"]


def _hardening(deployment: Deployment) -> list[str]:
    # Those that are started by themselves may meet at sockets in the folder for temporary files: they share it.
    private = len(deployment.units) == 1
    temporary = ["PrivateTmp=yes"] if private else ["ReadWritePaths=/tmp /var/tmp"]
    written = [
        "ProtectSystem=strict",
        "# ReadWritePaths= is for each folder that your agents write to.",
        *temporary,
    ]
    if "${" in deployment.state_file:  # only its environment knows where that is
        written = ["ProtectSystem=full", *(temporary if private else [])]
    elif deployment.state_file:
        folder = (deployment.folder / Path(deployment.state_file).expanduser()).parent
        written.append(f"ReadWritePaths={_in_quotes(_escaped(str(folder)))}")
    return [
        "UMask=0077",
        "NoNewPrivileges=yes",
        "CapabilityBoundingSet=",
        *written,
        "ProtectHome=read-only",
        "ProtectClock=yes",
        "ProtectControlGroups=yes",
        "ProtectKernelLogs=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelTunables=yes",
        "LockPersonality=yes",
        "RestrictRealtime=yes",
        "RestrictSUIDSGID=yes",
        "# MemoryMax=1G",
        "# CPUQuota=100%",
    ]


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    return _in_quotes(_escaped(word).replace("$", "$$"))


def _in_quotes(text: str) -> str:
    """The text as one word of a list."""
    if re.fullmatch(r"[\w@%+=:,./$-]+", text):
        return text
    inside = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inside}"'
