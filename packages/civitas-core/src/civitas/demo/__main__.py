"""`python -m civitas.demo`."""

from __future__ import annotations

import sys

from civitas.demo import main

sys.exit(main())
