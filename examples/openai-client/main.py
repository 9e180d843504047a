"""Runs the system, and a client of it, in one program."""

import asyncio
import os
import secrets
from pathlib import Path
from tempfile import TemporaryDirectory

import client
from model import say

from civitas import Runtime
from civitas.testing import scripted_openai


async def main() -> None:
    async with Runtime.from_config(Path(__file__).with_name("topology.yaml")):
        await client.main()


if __name__ == "__main__":
    os.environ.setdefault("EDGE_TOKEN", secrets.token_hex(16))
    with scripted_openai(say), TemporaryDirectory() as folder:
        os.environ["DATA"] = folder
        asyncio.run(main())
