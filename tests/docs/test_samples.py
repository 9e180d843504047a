"""What the pages show is true: samples run, topologies are valid, commands and links exist."""

from __future__ import annotations

import ast
import contextlib
import doctest
import io
import re
import shlex
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from civitas.cli import main
from civitas.topology import load
from tests.docs.blocks import (
    Block,
    all_blocks,
    blocks,
    earlier,
    expected_output,
    pages,
    place_files,
    program,
)
from tests.house.project import PACKAGES, ROOT, manifest

FRAMEWORKS = {
    "langgraph",
    "langchain_core",
    "langchain_openai",
    "agents",
    "openai",
    "crewai",
    "civitas_crewai",
    "pydantic_ai",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    return tmp_path


def imported(code: str) -> set[str]:
    """Top-level modules that the code imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.Import(names=names):
                found |= {alias.name.split(".")[0] for alias in names}
            case ast.ImportFrom(module=str(module)):
                found.add(module.split(".")[0])
    return found


def imported_by_all(code: str, folder: Path) -> set[str]:
    """Those, and what the modules of the folder import that are among them."""
    names = imported(code)
    own = [folder / f"{name}.py" for name in names]
    return names.union(*(imported(file.read_text()) for file in own if file.exists()))


def skip_where_asked(block: Block) -> None:
    """Skip what its page marks, and only with a reason."""
    if block.word == "skip":
        assert block.value, f"{block.name}: a skip needs a reason: <!-- skip: why -->"
        pytest.skip(block.value)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("block", all_blocks("python"), ids=lambda block: block.name)
def test_a_python_sample_runs_and_prints_what_its_page_says(block, folder, interpreters):
    skip_where_asked(block)
    code = block.text if block.word == "file" else program(block)
    missing = {name for name in imported(code) & FRAMEWORKS if not find_spec(name)}
    if missing:
        pytest.skip(f"needs {', '.join(sorted(missing))}, which the other environment has")
    if find_spec("crewai") and not {"crewai", "civitas_crewai"} & imported(code):
        pytest.skip("the other environment runs it")
    place_files([*earlier(block.page), *blocks(block.page)], folder)
    sample = folder / (block.value if block.word == "file" and block.value else "sample.py")
    sample.write_text(code)
    # Apart: a module of the reader's own may have the name of one of a framework's.
    with_frameworks = bool(FRAMEWORKS & imported_by_all(code, folder))
    done = interpreters[with_frameworks].run(sample, folder)
    assert done.returncode == 0, f"{block.name}\n{done.stdout}\n{done.stderr}"
    if (expected := expected_output(block)) is not None:
        same = doctest.OutputChecker().check_output(
            expected, done.stdout, doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        )
        assert same, f"{block.name} prints\n{done.stdout}\nand its page says\n{expected}"


@pytest.mark.parametrize("block", all_blocks("yaml"), ids=lambda block: block.name)
def test_a_topology_on_a_page_is_valid(block, folder):
    skip_where_asked(block)
    if "supervision" not in (yaml.safe_load(block.text) or {}):
        pytest.skip("a part of a file, or not a topology")
    path = folder / "topology.yaml"
    path.write_text(block.text)
    load(path)


def commands(block: Block) -> list[list[str]]:
    """The command lines of a console block, as words."""
    text = block.text.replace("\\\n", " ")
    lines = [line.removeprefix("$ ") for line in text.splitlines() if line.startswith("$ ")]
    parts = [part for line in lines for part in re.split(r" && | \| ", line)]
    return [shlex.split(part, comments=True) for part in parts]


@pytest.mark.parametrize("block", all_blocks("console"), ids=lambda block: block.name)
def test_a_command_on_a_page_exists(block):
    skip_where_asked(block)
    found = commands(block)
    assert found, f"{block.name}: a console block shows commands after `$ `"
    for words in found:
        check_command(block, words)


def check_command(block: Block, words: list[str]) -> None:
    """Fail unless this command line can work."""
    while re.match(r"[A-Z_]+=", words[0]):  # variables of that command
        words = words[1:]
    match words:
        case ["make", *targets]:
            makefile = (ROOT / "Makefile").read_text()
            for target in targets:
                if "=" not in target:
                    assert re.search(rf"^{target}:", makefile, re.MULTILINE), (block.name, target)
        case ["civitas", *rest]:
            verbs = [word for word in rest[:2] if re.fullmatch("[a-z]+(-[a-z]+)*", word)]
            check_civitas_command(block, verbs)
            for word in rest:
                if word.startswith("examples/"):
                    assert (ROOT / word).is_file(), (block.name, word)
        case ["pip", "install", *requirements] | ["uv", "add", *requirements]:
            for requirement in requirements:
                check_requirement(block, requirement)
        case ["python", "-m", "http.server", *_, folder]:
            assert (ROOT / folder).is_dir(), (block.name, folder)
        case ["python", program]:
            assert (ROOT / program).is_file(), (block.name, program)
        case ["python", "-m", "venv", _] | [".", ".venv/bin/activate"]:
            pass
        case ["git", "clone", *_] | ["mkdir" | "cd" | "echo" | "cat", _] | ["export" | "kill", *_]:
            pass
        case _:
            pytest.fail(f"{block.name}: nobody checks {words[0]!r}; mark it <!-- skip: why -->")


def check_civitas_command(block: Block, verbs: list[str]) -> None:
    """The longest of `civitas a b`, `civitas a` that knows --help must be the whole of it."""
    for length in range(len(verbs), -1, -1):
        if knows_help(*verbs[:length]):
            assert length >= min(1, len(verbs)), f"{block.name}: no command civitas {verbs}"
            return
    pytest.fail(f"{block.name}: civitas --help fails")


@cache
def knows_help(*verbs: str) -> bool:
    """Whether `civitas VERBS... --help` works."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return main([*verbs, "--help"]) == 0


def check_requirement(block: Block, requirement: str) -> None:
    """What `pip install` is told must be one of our packages, with an extra that it has."""
    if requirement.startswith("./"):
        assert (ROOT / requirement / "pyproject.toml").is_file(), (block.name, requirement)
        return
    match = re.fullmatch(r"([\w-]+)(?:\[([\w,]+)\])?", requirement)
    assert match, (block.name, requirement)
    package, extras = match.groups()
    if package.startswith("civitas"):
        assert package in PACKAGES, (block.name, requirement)
        known = manifest(package)["project"].get("optional-dependencies", {})
        assert set(extras.split(",") if extras else []) <= set(known), (block.name, requirement)


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


def test_every_page_of_the_docs_stands_in_their_index():
    docs = ROOT / "docs"
    index = (docs / "README.md").read_text()
    linked = {(docs / target).resolve() for target in re.findall(r"\]\(([^)#\s]+)", index)}
    assert [
        page.name for page in docs.rglob("*.md") if page not in linked | {docs / "README.md"}
    ] == []


def anchors(page: Path) -> set[str]:
    """The anchors that the headings of a page make."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
