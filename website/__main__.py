"""Builds the site: `python -m website`. A warning of Sphinx, or a link that leads nowhere, is a failure."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from sphinx.cmd.build import build_main

from website.check import problems
from website.stage import stage

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Put the pages together, let Sphinx write them, and look at what came out."""
    # No folder of the caller's choice: what a build did not write is deleted there.
    argparse.ArgumentParser(prog="python -m website", description=__doc__).parse_args()
    began = time.monotonic()
    out = ROOT / "build" / "docs"
    pages = out.with_name(f"{out.name}-pages")
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = [name for name in listing.stdout.split("\0") if (ROOT / name).is_file()]
    if broken := stage(ROOT, files, pages):
        return _failed(broken)
    _forget_pages_that_are_gone(out, pages)
    doctrees = out.with_name(f"{out.name}-doctrees")
    options = ["--fail-on-warning", "--keep-going", "--quiet", "--jobs", "auto"]
    folders = ["--conf-dir", ROOT / "website", "--doctree-dir", doctrees, pages, out]
    if code := build_main([*options, *map(str, folders)]):
        return code
    if broken := problems(out):
        return _failed(broken)
    number, seconds = len(list(out.rglob("*.html"))), time.monotonic() - began
    print(f"docs: {number} pages in {seconds:.0f} s: {out}/index.html")
    return 0


def _forget_pages_that_are_gone(out: Path, pages: Path) -> None:
    """Sphinx leaves what it made of a page that was there in an earlier build."""
    for page in out.rglob("*.html"):
        source = pages / page.relative_to(out).with_suffix(".md")
        if not source.is_file() and page.name not in {"search.html", "genindex.html"}:
            page.unlink()


def _failed(broken: Sequence[str]) -> int:
    for each in broken:
        print(each, file=sys.stderr)
    print(f"docs: {len(broken)} links lead nowhere", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
