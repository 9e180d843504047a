"""`civitas deploy systemd`."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from civitas.deploy import deployment_of, systemd_units
from tests.core.deploy.conftest import Write

CIVITAS = Path(sys.executable).with_name("civitas")


def made(topology: Path) -> dict[str, str]:
    return systemd_units(deployment_of(topology), civitas=CIVITAS, user="root")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="this machine has no systemd")
@pytest.mark.promise(id="SEM-1821")
def test_systemd_finds_nothing_wrong_with_the_units(everything: Path, tmp_path: Path) -> None:
    units = made(everything)
    assert list(units) == [
        "civitas-research-team.service",
        "civitas-research-team-worker.service",
        "civitas-research-team-cpu-1.service",
        "civitas-research-team-cpu-2.service",
    ]
    for name, text in units.items():
        (tmp_path / name).write_text(text)
    command = ["systemd-analyze", "verify", *(str(tmp_path / name) for name in units)]
    # Only these: what else the machine has is its own affair.
    environment = {**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:/lib/systemd/system"}
    checked = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert [line for line in checked.stderr.splitlines() if "civitas" in line] == []
    assert checked.returncode == 0, checked.stderr


def test_a_unit_runs_this_installation_and_tells_systemd(everything: Path) -> None:
    lines = made(everything)["civitas-research-team.service"].splitlines()
    (start,) = [line for line in lines if line.startswith("ExecStart=")]
    assert shlex.split(start.removeprefix("ExecStart="))[:3] == [
        str(CIVITAS),
        "run",
        str(everything),
    ]
    assert {"Type=notify", "NotifyAccess=main", "WatchdogSec=30", "KillMode=mixed"} <= set(lines)
    assert "TimeoutStopSec=90" in lines
    assert "EnvironmentFile=/etc/civitas/research-team.env" in lines  # EDGE_TOKEN has no default


def test_the_processes_that_the_root_starts_have_no_unit(write: Write) -> None:
    topology = write("""\
        processes: {gpu: {start: false}}
        supervision:
          children:
            - agent: {name: a, type: agents.A, process: worker}
            - agent: {name: b, type: agents.A, process: gpu}
        """)
    assert list(made(topology)) == ["civitas-civitas.service", "civitas-civitas-gpu.service"]


def test_a_unit_may_write_the_state(small: Path) -> None:
    lines = made(small)["civitas-civitas.service"].splitlines()
    assert f"ReadWritePaths={small.parent}" in lines
    assert "ProtectSystem=strict" in lines


@pytest.mark.promise(id="SEM-1630")
def test_one_process_has_a_folder_for_temporary_files_of_its_own(small: Path) -> None:
    assert "PrivateTmp=yes" in made(small)["civitas-civitas.service"].splitlines()


@pytest.mark.promise(id="SEM-1630")
def test_several_processes_may_write_to_the_folder_for_temporary_files(everything: Path) -> None:
    for text in made(everything).values():
        lines = text.splitlines()
        assert "ProtectSystem=strict" in lines  # which alone would leave them none
        assert "ReadWritePaths=/tmp /var/tmp" in lines


def test_a_path_with_blanks_and_signs_of_systemd_is_quoted(tmp_path: Path) -> None:
    folder = tmp_path / "50% $HOME"
    folder.mkdir()
    topology = folder / "topology.yaml"
    topology.write_text(
        "state: {type: sqlite, path: civitas.db}\n"
        "supervision: {children: [{agent: {name: a, type: agents.A}}]}\n"
    )
    text = made(topology)["civitas-civitas.service"]
    assert f'ReadWritePaths="{tmp_path}/50%% $HOME"' in text.splitlines()
    assert f'run "{tmp_path}/50%% $$HOME/topology.yaml"' in text
