"""Rules that hold for every file of the repository."""

from __future__ import annotations

import re

import pytest
import yaml

from benchmarks.peers.registry import PEERS
from tests.house.project import ROOT, tracked_files

# The words stand apart here, so that this file does not break its own rule.
FOLDERS = ["root", "work", r"home/\w+", r"Users/\w+"]
MACHINE_PATH = re.compile(rf"(?<![\w.$}}])/(?:{'|'.join(FOLDERS)})/|/tmp/[a-z0-9]{{6,}}")
HOSTS = ["pypi", "npmjs", "pythonhosted"]
REGISTRY = re.compile(rf"(?:{'|'.join(HOSTS)})\.(?:org|com)|index-url *= *\S")
PIN = re.compile(r"[a-z0-9-]+==[0-9][^ ]*( ; .+)?")


def test_no_file_holds_a_path_of_one_machine_or_the_host_of_a_package_registry():
    found = []
    for path in tracked_files():
        try:
            lines = path.read_text().splitlines()
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(lines, 1):
            if MACHINE_PATH.search(line) or REGISTRY.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()}")
    assert found == []


@pytest.mark.parametrize("name", ["a.txt", "crew.txt", "wild.txt"])
def test_constraints_pin_every_package_and_hold_nothing_else(name):
    lines = (ROOT / "constraints" / name).read_text().splitlines()
    assert len(lines) > 80
    assert [line for line in lines if not PIN.fullmatch(line)] == []


def test_the_peers_of_the_benchmarks_are_pinned():
    for peer in PEERS.values():
        file = ROOT / "constraints" / f"peers-{peer.name}.txt"
        lines = file.read_text().splitlines() if file.exists() else []
        assert [line for line in lines if not PIN.fullmatch(line)] == []
        assert lines or peer.debian or peer.inside
        assert all("@" in package[1:] for package in peer.npm)


@pytest.mark.parametrize("name", ["build", "docs"])
def test_the_tools_of_a_release_and_of_the_site_are_pinned(name):
    lines = (ROOT / "constraints" / f"{name}.txt").read_text().splitlines()
    assert [line for line in lines if not PIN.fullmatch(line)] == []
    wanted = (ROOT / "constraints" / f"{name}.in").read_text().split()
    pinned = {line.partition("==")[0] for line in lines}
    assert {each.partition(">=")[0] for each in wanted} <= pinned


def test_a_release_publishes_what_make_build_has_tried():
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    build = [step.get("run") for step in workflow["jobs"]["build"]["steps"]]
    assert {"make build", "make docs"} <= set(build)
    assert workflow["jobs"]["publish"]["needs"] == "build"


def test_a_commit_is_checked_by_what_make_lint_runs():
    configuration = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    entries = {each["id"]: each["entry"].split() for each in configuration["repos"][0]["hooks"]}
    lint = (ROOT / "scripts" / "lint.sh").read_text()
    assert entries["ruff"][0] == ".venv/bin/ruff"
    assert f"\n{entries['imports'][0]}\n" in lint
    assert all((ROOT / each).exists() for each in entries["words"] if each.startswith("tests/"))


def test_the_two_environments_hold_the_frameworks_that_cannot_be_installed_together():
    newest = (ROOT / "constraints" / "a.txt").read_text()
    beside_crewai = (ROOT / "constraints" / "crew.txt").read_text()
    assert "openai-agents==0.24" in newest
    assert "crewai==" not in newest
    assert "pydantic-ai-slim==2." in newest
    assert "openai-agents==0.20" in beside_crewai
    assert "crewai==1.15" in beside_crewai


def test_generated_files_are_not_kept_in_git():
    names = {path.name for path in tracked_files()}
    assert "uv.lock" not in names
    assert not [name for name in names if name.endswith((".pyc", ".whl", ".tar.gz"))]
