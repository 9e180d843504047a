"""Each package builds and carries what it must; `scripts/check-packages.sh` tries each in an environment of its own."""

from __future__ import annotations

import os
import subprocess
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.house.project import PACKAGES, ROOT, manifest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]


def run(*command: str | Path, **variables: str) -> str:
    """Run it at the top of the repository; its output is shown where it fails."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    clean.pop("VIRTUAL_ENV", None)
    done = subprocess.run(
        [str(part) for part in command],
        cwd=ROOT,
        env={**clean, **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheels and sdists of all five packages."""
    out = tmp_path_factory.mktemp("dist")
    # This environment has what builds them: not one more for each package.
    run("scripts/build.sh", out, UV_NO_BUILD_ISOLATION="1")
    return out


def file_of(built: Path, package: str, suffix: str) -> Path:
    (found,) = built.glob(f"{package.replace('-', '_')}-*{suffix}")
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_a_wheel_holds_the_package_its_licence_and_nothing_else(built, package):
    module = PACKAGES[package]
    with zipfile.ZipFile(file_of(built, package, ".whl")) as wheel:
        names = wheel.namelist()
    tops = {name.split("/")[0] for name in names}
    version = manifest(package)["project"]["version"]
    modules = {module, "civitas_pytest"} if package == "civitas-core" else {module}
    assert tops == modules | {f"{package.replace('-', '_')}-{version}.dist-info"}
    assert f"{module}/py.typed" in names
    assert any(name.endswith("dist-info/licenses/LICENSE") for name in names)


@pytest.mark.parametrize("package", PACKAGES)
def test_an_sdist_carries_sources_readme_and_licence(built, package):
    with tarfile.open(file_of(built, package, ".tar.gz")) as sdist:
        names = {name.split("/", 1)[1] for name in sdist.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml"} <= names
    assert f"src/{PACKAGES[package]}/__init__.py" in names
