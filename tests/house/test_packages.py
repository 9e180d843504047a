"""The five packages are of one shape, one version and one licence."""

from __future__ import annotations

import pytest

from tests.house.project import PACKAGES, ROOT, manifest, sources


def test_all_packages_have_the_same_version():
    assert len({manifest(package)["project"]["version"] for package in PACKAGES}) == 1


@pytest.mark.parametrize("package", [name for name in PACKAGES if name != "civitas-core"])
def test_an_adapter_asks_for_the_core_of_its_own_version(package):
    project = manifest(package)["project"]
    major, minor, _ = project["version"].split(".")
    assert f"civitas-core=={major}.{minor}.*" in project["dependencies"]


@pytest.mark.parametrize("package", PACKAGES)
def test_only_the_package_whose_framework_has_an_end_has_one(package):
    versions = manifest(package)["project"]["requires-python"]
    assert versions == (">=3.11,<3.14" if package == "civitas-crewai" else ">=3.11")


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_names_the_versions_of_python_that_it_is_tested_on(package):
    tested = (ROOT / "scripts" / "test-pythons.sh").read_text().partition("for version in ")[2]
    named = [
        each.rpartition(" ")[2]
        for each in manifest(package)["project"]["classifiers"]
        if each.startswith("Programming Language :: Python :: 3.")
    ]
    assert named == tested.partition(";")[0].split()


@pytest.mark.parametrize("key", ["license", "license-files", "readme"])
def test_all_packages_say_the_same_about_themselves(key):
    assert len({str(manifest(package)["project"][key]) for package in PACKAGES}) == 1


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_carries_the_licence_of_the_project(package):
    licence = (ROOT / "LICENSE").read_text()
    assert "Apache License" in licence
    assert (ROOT / "packages" / package / "LICENSE").read_text() == licence


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_marked_as_typed(package):
    assert (sources(package) / "py.typed").is_file()
    assert "Typing :: Typed" in manifest(package)["project"]["classifiers"]


@pytest.mark.parametrize("package", [name for name in PACKAGES if name != "civitas-core"])
def test_an_adapter_is_found_through_an_entry_point_named_after_its_framework(package):
    framework = package.removeprefix("civitas-")
    entry_points = manifest(package)["project"]["entry-points"]["civitas"]
    assert entry_points == {framework: f"{PACKAGES[package]}.plugin"}
    assert (sources(package) / "plugin.py").is_file()
