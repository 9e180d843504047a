"""Writes the README's first sample into a folder: its files, and the program as `main.py`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

_SAMPLE = re.compile(r"(?:<!-- file: (\S+) -->\n)?```python\n(.*?)```", re.DOTALL)


def main() -> None:
    """Write into the folder that is the first argument."""
    folder = Path(sys.argv[1])
    for file, code in _SAMPLE.findall(Path("README.md").read_text())[:2]:
        path = folder / (file or "main.py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(code)


if __name__ == "__main__":
    main()
