"""`python -m civitas.cli`."""

from __future__ import annotations

import sys

from civitas.cli import main

sys.exit(main())
