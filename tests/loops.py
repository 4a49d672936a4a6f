"""Coroutines in tests: each in an event loop of a thread of its own.

The thread of the tests may have a loop that runs: Playwright's for blocking calls keeps one until its process ends, and
asyncio allows a thread no second one.
"""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """As ``asyncio.run``."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, coroutine).result()
