#!/bin/bash
# Runs the tests in both environments and adds them up. Arguments go to pytest.
#   COVERAGE=1   measure it too
# Three runs go beside each other: the core's tests in A, the others in A, and meanwhile those with OS processes of their
# own, which wait for these most of the time, and then B. In B only what differs there is run again: the adapters, and
# what needs all three frameworks. LangGraph is the same in both, so of its tests the suite that every adapter passes is
# enough.
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
beside=()
trap '[ ${#beside[@]} -eq 0 ] || kill "${beside[@]}" 2>/dev/null || true; rm -rf "$scratch"' EXIT
processes=(tests/integration/{adapters,processes})
again=(tests/{langgraph/test_suite.py,openai,crewai,core/demo,docs,integration})

run() { # NAME VENV ARGUMENT...: one pytest run; 5 says that the arguments pick none of its tests
    local name=$1 venv=$2 code=0
    shift 2
    "$venv/bin/python" "${runner[@]}" -q -o "cache_dir=.pytest_cache/$name" "$@" || code=$?
    [ "$code" -eq 0 ] || [ "$code" -eq 5 ] || touch "$scratch/failed-$name"
}
closing() { # NAME: pytest's closing line, such as "3 failed, 97 passed in 12.34s"
    grep -E '^=* ?[0-9]+ [a-z]+.* in [0-9.]+s' "$scratch/$1" | tail -n 1 || true
}
count() { # WORD...: how many of these the closing lines name, over all runs
    local sum=0 word number
    for word in "$@"; do
        for number in $(for name in core A processes B; do closing "$name"; done | grep -oE "[0-9]+ $word" | cut -d ' ' -f 1); do
            sum=$((sum + number))
        done
    done
    echo "$sum"
}

{
    run processes .venv "${processes[@]}" "$@" > "$scratch/processes" 2>&1
    run B .venv-crew "${again[@]}" "$@" > "$scratch/B" 2>&1
} &
beside+=($!)
run A .venv tests --ignore=tests/core "${processes[@]/#/--ignore=}" "$@" > "$scratch/A" 2>&1 &
beside+=($!)
echo "Environment A, the core ..."
run core .venv tests/core "$@" 2>&1 | tee "$scratch/core"
wait "${beside[@]}"
beside=()
echo "Environment A, all but the core ..."
cat "$scratch/A"
echo "Environment A, OS processes ..."
cat "$scratch/processes"
echo "Environment B ..."
cat "$scratch/B"

for name in core A processes B; do echo "$name: $(closing "$name")"; done
failures=$(find "$scratch" -name 'failed-*' | wc -l)
passed=$(count passed) failed=$(count failed error) skipped=$(count skipped)
# A run that broke off before it counted anything has failed too.
if [ "$failures" -gt 0 ] && [ "$failed" -eq 0 ]; then failed=$failures; fi
echo
echo "test: $passed passed, $failed failed, $skipped skipped"
[ "$failures" -eq 0 ] && [ $((passed + skipped)) -gt 0 ]
