"""`python -m workers` runs the server; this file only sees to it that no Ctrl-C comes early."""

from __future__ import annotations

import sys

from workers import children

if __name__ == "__main__":
    children.hold_signals()
    # Imported only now: loading the libraries takes a while, and a Ctrl-C in it is a traceback.
    from workers.server import main

    sys.exit(main())
