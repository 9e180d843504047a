#!/bin/bash
# Checks the wheels and sdists of a folder (default: dist), and tries each package in an environment of its own, on each
# supported Python of this machine.
set -euo pipefail
cd "$(dirname "$0")/.."

dist=$(realpath "${1:-dist}")
tools=.venv-build
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

scripts/tools.sh build
"$tools/bin/twine" check --strict "$dist"/*
for wheel in "$dist"/*.whl; do
    name=$(basename "$wheel" | cut -d - -f 1)
    "$tools/bin/check-wheel-contents" --config "packages/${name//_/-}/pyproject.toml" "$wheel"
done
"$tools/bin/check-jsonschema" --builtin-schema vendor.github-workflows .github/workflows/*.yml
cat > "$scratch/scaled.yaml" << 'TOPOLOGY'
transport: {type: nats}
supervision: {children: [{agent: {name: cpu, type: a.B, process: cpu, replicas: 2, delivery: at_least_once}}]}
TOPOLOGY
.venv/bin/civitas deploy kubernetes "$scratch/scaled.yaml" --image team:1 |
    "$tools/bin/python" scripts/check_scaler.py
"$tools/bin/towncrier" build --draft --version 0 > /dev/null

tried=() left_out=()
for version in 3.11 3.12 3.13 3.14; do
    python=$(scripts/find-version.sh "$version")
    if [ -z "$python" ]; then
        left_out+=("$version")
        continue
    fi
    tried+=("$version")
    for wheel in "$dist"/*.whl; do
        name=$(basename "$wheel" | cut -d - -f 1)
        pins=constraints/a.txt
        if [ "$name" = civitas_crewai ]; then
            pins=constraints/crew.txt
            if [ "$version" = 3.14 ]; then continue; fi # CrewAI itself ends at 3.13
        fi
        venv=$scratch/$version-$name
        scripts/uv.sh venv --quiet --python "$python" "$venv"
        # From the folder and by name, as a user does it; the core comes from there, too.
        # A wheel of that name and version may be in the cache, from an earlier build.
        scripts/uv.sh pip install --quiet --python "$venv/bin/python" --find-links "$dist" \
            --refresh-package civitas-core --constraint "$pins" "$wheel"
        # Isolated: the repository itself must not be what is imported.
        "$venv/bin/python" -I "tests/house/alone/${name#civitas_}.py"
        if [ "$name" = civitas_core ]; then "$venv/bin/civitas" --help > /dev/null; fi
        if [ "$name" = civitas_langgraph ]; then
            "$venv/bin/python" scripts/first_sample.py "$scratch/sample-$version"
            (cd "$scratch/sample-$version" && "$venv/bin/python" main.py)
            if mkdir "$scratch/begin" 2>/dev/null; then # once: it takes seconds
                env -u XDG_STATE_HOME HOME="$scratch/begin" PATH="$venv/bin:/usr/bin:/bin" \
                    "$PWD/.venv/bin/python" -m tests.docs.following docs/begin.md "$scratch/begin" --here
            fi
        fi
    done
done
echo "check-packages: tried on Python ${tried[*]}${left_out:+; not here: ${left_out[*]}}"
