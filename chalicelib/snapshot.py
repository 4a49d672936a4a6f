"""What the function behind the API does before Lambda takes a snapshot of it, and after each restoration.

Lambda initializes a published version once, and starts each environment from a snapshot of that:
https://docs.aws.amazon.com/lambda/latest/dg/snapstart.html. So everything is imported and made before it that a first
request would wait for. No call is made, so that the snapshot has no connection, no answer of a table and no time in it:
https://docs.aws.amazon.com/lambda/latest/dg/snapstart-uniqueness.html. Credentials are the runtime's, which botocore
renews when they expire: https://docs.aws.amazon.com/lambda/latest/dg/snapstart-activate.html#snapstart-credentials.
"""

import gc
import os
import random
import ssl

from chalicelib.bootstrap import Services
from chalicelib.dashboard.routes import Pages

# The services that requests begin with; what these need is made with them.
SERVICES = (
    *("authentication", "rate_limiter", "links", "search", "matches", "search_uploads", "name_search", "file_finder"),
    *("collections", "syncs", "files", "file_changes", "uploads", "thumbnails", "duplicates", "webhooks"),
    *("accounts", "users", "sessions"),
)
ENTROPY_BYTES = 32


def register(services: Services, pages: Pages) -> None:
    """Have Lambda's client call the two; a function that has no snapshot never does.

    The library is part of Lambda's Python: https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html
    """
    from snapshot_restore_py import register_after_restore, register_before_snapshot  # noqa: PLC0415

    register_before_snapshot(load, services, pages)
    register_after_restore(renew)


def load(services: Services, pages: Pages) -> None:
    """Import and make what first requests need. It calls nothing outside the process."""
    for name in SERVICES:
        getattr(services, name)
    pages.load()
    # The collector would write to every object that it looks at, and a page of memory is fetched when it is used.
    gc.collect()
    gc.freeze()


def renew() -> None:
    """Make again what environments of one snapshot must not share: the states of random generators.

    Python's own draws the pauses before retries. OpenSSL's gets fresh entropy, although Lambda's adds its own.
    """
    random.seed()
    ssl.RAND_add(os.urandom(ENTROPY_BYTES), ENTROPY_BYTES)
