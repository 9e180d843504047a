"""Runs one sample as a program of its own, with the network guard of the tests."""

from __future__ import annotations

import runpy
import sys

from tests.guards import network

if __name__ == "__main__":
    network.install()
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
