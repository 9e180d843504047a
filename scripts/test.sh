#!/bin/bash
# Runs the tests in both environments and adds them up. Arguments go to pytest.
#   COVERAGE=1   measure it too
# In B only what differs there is run again: the adapters, and what needs all three frameworks. LangGraph is the same in
# both, so of its tests the suite that every adapter passes is enough.
set -euo pipefail
cd "$(dirname "$0")/.."

# Hundreds of interpreters start here, and compiling is half of what each of them would do.
unset PYTHONDONTWRITEBYTECODE

if [ -n "${COVERAGE:-}" ]; then
    rm -f .coverage .coverage.*
    # Not pytest-cov: civitas is imported early, as a pytest plugin, and that is to be counted.
    runner=(-m coverage run -m pytest)
else
    runner=(-m pytest)
fi
scratch=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$scratch"' EXIT

# Each name is one run of pytest. Five go beside each other, since those with OS processes of their own often wait for
# these; the longest come first, so that no core is idle at the end.
at_once=5
runs=(commands B core B-adapters processes adapters many cluster pages frameworks rest broker)
processes=(tests/integration/processes)
adapters=(tests/integration/adapters)
broker=(tests/integration/nats)
many=(tests/integration/nats/test_many.py)  # beside the others of the broker: minutes in a deep run
cluster=(tests/core/cluster)
commands=(tests/core/{cli,plugins})
pages=(tests/docs tests/house)
frameworks=(tests/{langgraph,openai,pydantic_ai})
again=(tests/{core/demo,docs,integration})
adapters_again=(tests/{langgraph/test_suite.py,openai,crewai})

run() { # NAME ARGUMENT...: one pytest run; 5 says that the arguments pick none of its tests
    local name=$1 venv=.venv code=0 tests part
    shift
    case $name in
        processes) tests=("${processes[@]}") ;;
        adapters) tests=("${adapters[@]}") ;;
        broker) tests=("${broker[@]}" "${many[@]/#/--ignore=}") ;;
        many) tests=("${many[@]}") ;;
        commands) tests=("${commands[@]}") ;;
        pages) tests=("${pages[@]}") ;;
        frameworks) tests=("${frameworks[@]}") ;;
        cluster) tests=("${cluster[@]}") ;;
        core) tests=(tests/core "${commands[@]/#/--ignore=}" "${cluster[@]/#/--ignore=}") ;;
        rest)
            tests=(tests --ignore=tests/core)
            for part in "${processes[@]}" "${adapters[@]}" "${broker[@]}" "${pages[@]}" "${frameworks[@]}"; do
                tests+=("--ignore=$part")
            done
            ;;
        B) venv=.venv-crew tests=("${again[@]}") ;;
        B-adapters) venv=.venv-crew tests=("${adapters_again[@]}") ;;
    esac
    "$venv/bin/python" "${runner[@]}" -q -o "cache_dir=.pytest_cache/$name" "${tests[@]}" "$@" > "$scratch/$name" 2>&1 &
    trap "kill $! 2>/dev/null" EXIT
    wait $! || code=$?
    [ "$code" -eq 0 ] || [ "$code" -eq 5 ] || touch "$scratch/failed-$name"
    { echo "$name ..." && cat "$scratch/$name"; } || true
}
closing() { # NAME: pytest's closing line, such as "3 failed, 97 passed in 12.34s"
    grep -E '^=* ?[0-9]+ [a-z]+.* in [0-9.]+s' "$scratch/$1" | tail -n 1 || true
}
count() { # WORD...: how many of these the closing lines name, over all runs
    local sum=0 word number
    for word in "$@"; do
        for number in $(for name in "${runs[@]}"; do closing "$name"; done | grep -oE "[0-9]+ $word" | cut -d ' ' -f 1); do
            sum=$((sum + number))
        done
    done
    echo "$sum"
}

echo "Running the tests; each run is shown when it ends ..."
for name in "${runs[@]}"; do
    while [ "$(jobs -rp | wc -l)" -ge "$at_once" ]; do sleep 0.2; done
    run "$name" "$@" &
done
wait

for name in "${runs[@]}"; do echo "$name: $(closing "$name")"; done
failures=$(find "$scratch" -name 'failed-*' | wc -l)
passed=$(count passed) failed=$(count failed error) skipped=$(count skipped)
# A run that broke off before it counted anything has failed too.
if [ "$failures" -gt 0 ] && [ "$failed" -eq 0 ]; then failed=$failures; fi
echo
echo "test: $passed passed, $failed failed, $skipped skipped"
[ "$failures" -eq 0 ] && [ $((passed + skipped)) -gt 0 ]
