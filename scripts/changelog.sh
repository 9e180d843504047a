#!/bin/bash
# Shows what the fragments in changelog.d/ say, or writes it into CHANGELOG.md under a version and removes them.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=.venv-build
if [ ! -x "$tools/bin/towncrier" ]; then
    scripts/tools.sh build
fi
if [ $# -eq 0 ]; then
    "$tools/bin/towncrier" build --draft --version unreleased
else
    "$tools/bin/towncrier" build --yes --version "$1"
fi
