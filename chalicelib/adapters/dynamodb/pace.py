"""The pace of writes to one partition, so that a sync of many workers is not throttled.

A partition takes 1,000 write units a second, and a partition key is in one partition until DynamoDB has split it:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html
"""

import time
from collections.abc import Callable, Mapping
from math import ceil
from typing import Any

UNIT_BYTES = 1024
TRANSACTION_FACTOR = 2  # units of a write in a transaction, for each of one outside
MAX_PARTITIONS = 1_000


class WritePace:
    """Args:
    units: write units a second that this process gives a partition; None for any number.
    """

    def __init__(
        self,
        units: int | None,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._units = units
        self._sleep = sleep
        self._now = now
        self._free_at: dict[str, float] = {}

    def wait(self, partition: str, units: int) -> None:
        """Wait until the partition may be given so many units: what was given before has had its time."""
        if self._units is None:
            return
        now = self._now()
        begin = max(now, self._free_at.get(partition, now))
        if begin > now:
            self._sleep(begin - now)
        if len(self._free_at) >= MAX_PARTITIONS:
            self._free_at = {name: free_at for name, free_at in self._free_at.items() if free_at > now}
        self._free_at[partition] = begin + units / self._units


UNPACED = WritePace(None)


def transaction_units(item: Mapping[str, Any]) -> int:
    """Write units that an item takes in a transaction."""
    return TRANSACTION_FACTOR * ceil(item_bytes(item) / UNIT_BYTES)


def item_bytes(item: Mapping[str, Any]) -> int:
    """The size of an item of DynamoDB, of strings, numbers, bytes and booleans, and of no more than it.

    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
    """
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind == "S":
        return len(content.encode())
    if kind == "B":
        return len(bytes(content))
    if kind == "N":
        return len(content) // 2 + 2
    return 1
