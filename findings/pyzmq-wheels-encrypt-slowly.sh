#!/bin/bash
# pyzmq's wheels for Linux: up to 27.2.0, a CURVE connection takes seven times and more of the processor time that the
# same connection takes with 27.3.0. Both wheels bring libzmq 4.3.5 and the same version of libsodium, and tell the same of
# themselves (`zmq.has("curve")`, `zmq.zmq_version()`); only the time tells them apart.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

cat > look.py <<'PYTHON'
import time
from importlib.metadata import version

import zmq

SIZE, TIMES = 256 * 1024, 200


def microseconds(curve: bool) -> float:
    """Processor time of this process, I/O threads included, for one message from socket to socket."""
    context = zmq.Context()
    out, into = context.socket(zmq.PUSH), context.socket(zmq.PULL)
    if curve:
        into.curve_server = True
        out.curve_serverkey, into.curve_secretkey = zmq.curve_keypair()
        out.curve_publickey, out.curve_secretkey = zmq.curve_keypair()
    out.connect(f"tcp://127.0.0.1:{into.bind_to_random_port('tcp://127.0.0.1')}")
    message = bytes(SIZE)
    out.send(message)
    into.recv()
    began = time.process_time()
    for _ in range(TIMES):
        out.send(message)
        into.recv()
    took = time.process_time() - began
    context.destroy(linger=0)
    return took / TIMES * 1e6


curve, plain = microseconds(True), microseconds(False)
print(
    f"pyzmq {version('pyzmq')}, libzmq {zmq.zmq_version()}, has curve: {zmq.has('curve')}; 256 KiB:"
    f" {plain:.0f} us plain, {curve:.0f} us with CURVE"
)
print(curve, file=open(version("pyzmq"), "w"))
PYTHON

for pyzmq in 27.2.0 27.3.0; do
    python3 -m venv "venv-$pyzmq"
    "venv-$pyzmq/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: "pyzmq==$pyzmq"
    "venv-$pyzmq/bin/python" look.py
    find "venv-$pyzmq" -name 'libsodium*' -printf "pyzmq $pyzmq brings %f\n"
done
echo "expected: a release that changes neither library encrypts as quickly as the one before"
awk 'NR == FNR {slow = $1; next} {
    printf "seen:     27.2.0 takes %.1f times as long as 27.3.0\n", slow / $1
    exit !(slow > 4 * $1)
}' 27.2.0 27.3.0
