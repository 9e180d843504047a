#!/bin/bash
# Runs the tests of faults over NATS: machines are network namespaces here, which takes Linux and root. Arguments go to
# pytest. One after the other, as each has a system of several processes under load.
set -euo pipefail
cd "$(dirname "$0")/.."

export CIVITAS_FAULTS=nats
exec .venv/bin/python -m pytest -q -rs -o cache_dir=.pytest_cache/faults tests/faults "$@"
