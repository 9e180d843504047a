#!/bin/bash
# Installing open-deep-research puts packages named `tests` and `legacy` beside everybody else's into site-packages:
# in a project without a `tests/__init__.py` on its path, `import tests` is then the library's.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --no-deps open-deep-research==0.0.16

cat > look.py <<'PYTHON'
import importlib.util
from importlib.metadata import files, version

tops = sorted({file.parts[0] for file in files("open-deep-research") if file.suffix == ".py"})
spec = importlib.util.find_spec("tests")
print("open-deep-research", version("open-deep-research"))
print("expected: it installs ['open_deep_research'], and `import tests` finds nothing")
print(f"seen:     it installs {tops}, and `import tests` finds {spec and 'the package of the library'}")
raise SystemExit(0 if tops == ["legacy", "open_deep_research", "tests"] and spec else 1)
PYTHON
venv/bin/python look.py
