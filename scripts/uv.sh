#!/bin/bash
# Runs uv, installing it into .tools first if need be. uv reads only its own UV_* variables, so a
# machine whose pip is pointed at a mirror of the package index gets uv pointed there too.
set -euo pipefail
cd "$(dirname "$0")/.."

# The version is part of the stamp's name, so that another one here installs anew.
version=0.13.9
tools=$PWD/.tools
stamp=$tools/uv-$version

if [ ! -e "$stamp" ]; then
    python=$(scripts/find-python.sh)
    rm -rf "$tools"
    "$python" -m venv "$tools"
    "$tools/bin/python" -m pip install -qq --disable-pip-version-check "uv==$version"
    touch "$stamp"
fi

inherit() { # UV_VARIABLE pip-setting: take pip's own setting where uv has none
    local pip_variable=PIP_${2^^} value
    pip_variable=${pip_variable//-/_}
    if [ -n "${!1:-}" ]; then return; fi
    value=${!pip_variable:-$("$tools/bin/python" -m pip config get "global.$2" 2>/dev/null || true)}
    if [ -n "$value" ]; then export "$1=$value"; fi
}
if [ -z "${UV_INDEX_URL:-}" ]; then inherit UV_DEFAULT_INDEX index-url; fi
inherit SSL_CERT_FILE cert
export UV_PYTHON_DOWNLOADS=never UV_NO_PROGRESS=1

exec "$tools/bin/uv" "$@"
