#!/bin/bash
# Wheels and sdists of the five packages, in dist/ (or in the folder given).
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1:-dist}
rm -rf "$out"
for package in packages/*/; do
    scripts/uv.sh build --quiet --python .venv/bin/python --build-constraint constraints/a.txt \
        --out-dir "$out" "$package"
done
echo "build: $(find "$out" -name '*.whl' | wc -l) wheels and $(find "$out" -name '*.tar.gz' | wc -l) sdists in $out"
