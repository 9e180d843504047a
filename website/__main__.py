"""Builds the site: `python -m website [FOLDER]`. A warning of Sphinx, or a link that leads nowhere, is a failure."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from sphinx.cmd.build import build_main

from website.check import problems
from website.stage import stage

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Put the pages together, let Sphinx write them, and look at what came out."""
    began = time.monotonic()
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build" / "docs"
    pages = out.with_name(f"{out.name}-pages")
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    broken = stage(
        ROOT, [name for name in listing.stdout.split("\0") if (ROOT / name).is_file()], pages
    )
    if not broken:
        doctrees = out.with_name(f"{out.name}-doctrees")
        options = ["--fail-on-warning", "--keep-going", "--quiet", "--jobs", "auto"]
        folders = ["--conf-dir", ROOT / "website", "--doctree-dir", doctrees, pages, out]
        if code := build_main([*options, *map(str, folders)]):
            return code
        broken = problems(out)
    for each in broken:
        print(each, file=sys.stderr)
    if broken:
        print(f"docs: {len(broken)} links lead nowhere", file=sys.stderr)
        return 1
    print(
        f"docs: {len(list(out.rglob('*.html')))} pages in {time.monotonic() - began:.0f} s: {out}/index.html"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
