"""Calls of outside systems side by side, by threads that are started once in a process.

A client of boto3 may be shared by threads: https://docs.aws.amazon.com/boto3/latest/guide/clients.html. To start some
for each batch took a tenth of the index worker's time.
"""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from typing import TypeVar

MAX_PARALLEL_CALLS = 8  # below the ten connections that urllib3 keeps for a client

Item = TypeVar("Item")
Result = TypeVar("Result")


def call_each(call: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """The result of each call, in order, when all have ended; raises what the first of those that failed has raised.

    A call may not use this function itself: it could wait for a thread for ever.
    """
    calls = [_threads().submit(call, item) for item in items]
    wait(calls)
    return [ended.result() for ended in calls]


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(MAX_PARALLEL_CALLS, thread_name_prefix="call")
