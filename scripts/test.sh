#!/bin/bash
# Runs the tests in both environments and adds them up. Arguments go to pytest.
#   COVERAGE=1   measure it too
# In B only what differs there is run again: the adapters, and what needs all three frameworks. LangGraph is the same in
# both, so of its tests the suite that every adapter passes is enough.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -n "${COVERAGE:-}" ]; then
    rm -f .coverage .coverage.*
    # Not pytest-cov: civitas is imported early, as a pytest plugin, and that is to be counted.
    runner=(-m coverage run -m pytest)
else
    runner=(-m pytest)
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0

run() { # NAME VENV ARGUMENT...: one pytest run; its closing line is kept for the sum
    local name=$1 venv=$2
    shift 2
    echo "Environment $name ..."
    "$venv/bin/python" "${runner[@]}" -q "$@" 2>&1 | tee "$scratch/$name" || failures=$((failures + 1))
}
closing() { # NAME: pytest's closing line, such as "3 failed, 97 passed in 12.34s"
    grep -E '^=* ?[0-9]+ [a-z]+.* in [0-9.]+s' "$scratch/$1" | tail -n 1 || true
}
count() { # WORD...: how many of these the closing lines name, over both runs
    local sum=0 word number
    for word in "$@"; do
        for number in $( (closing A; closing B) | grep -oE "[0-9]+ $word" | cut -d ' ' -f 1); do
            sum=$((sum + number))
        done
    done
    echo "$sum"
}

again=()
for each in tests/{langgraph/test_suite.py,openai,crewai,core/demo,docs,integration}; do
    if [ -e "$each" ]; then again+=("$each"); fi
done

run A .venv tests "$@"
run B .venv-crew "${again[@]}" "$@"

for name in A B; do echo "Environment $name: $(closing "$name")"; done
passed=$(count passed) failed=$(count failed error) skipped=$(count skipped)
# A run that broke off before it counted anything has failed too.
if [ "$failures" -gt 0 ] && [ "$failed" -eq 0 ]; then failed=$failures; fi
echo
echo "test: $passed passed, $failed failed, $skipped skipped"
[ "$failures" -eq 0 ]
