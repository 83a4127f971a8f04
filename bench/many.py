"""Many integrations, made without HTTP; never imported by the process that measures.

`python -m bench.many SIZE`, with the settings of an installation in the environment, makes SIZE
integrations, as reports of unknown ones make them.
"""

from __future__ import annotations

import sys

from app import create_app
from app.clock import utc_now
from app.services.installation import installation
from app.services.integrations import make_unknown
from app.services.setup import prepare
from bench.reports import key

AT_ONCE = 1000


def main(size: int) -> None:
    """Make them."""
    app = create_app()
    prepare(app)
    store = installation(app).store
    for first in range(0, size, AT_ONCE):
        keys = [key(number) for number in range(first, min(first + AT_ONCE, size))]
        with store.writing() as connection:
            make_unknown(connection, sorted(keys), utc_now())


if __name__ == "__main__":
    main(int(sys.argv[1]))
