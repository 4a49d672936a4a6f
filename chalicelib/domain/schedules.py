"""Schedules: when each collection is synced by itself. All times are UTC, so none is skipped or repeated in a year.

A schedule fires every quarter of an hour. Each firing starts the runs that fall into its quarter, so that not all
collections begin at once. A run is known by its time: however often a schedule fires, each run starts once.
"""

import uuid
from datetime import UTC, date, datetime, time, timedelta

from chalicelib.domain.collections import AutoSync, Collection

FIRING_INTERVAL = timedelta(minutes=15)  # SQS delays a message no longer
DEFAULT_HOURS = {AutoSync.DAILY: 3, AutoSync.WEEKLY: 4, AutoSync.MONTHLY: 5}
_SUNDAY = 6
_LONGEST_WAIT_DAYS = 31


def sync_hour(collection: Collection) -> int | None:
    """The hour of the day in which the collection's schedule starts its syncs; None without a schedule."""
    return DEFAULT_HOURS.get(collection.auto_sync) if collection.auto_sync_at is None else collection.auto_sync_at


def run_of_firing(collection: Collection, fired_at: datetime, spread: int) -> datetime | None:
    """The collection's run in the quarter of an hour in which its schedule has fired; None if it has none there.

    Args:
        spread: seconds, 3,600 at most, over which the runs of all collections of an hour are spread.
    """
    start = fired_at.replace(minute=fired_at.minute // 15 * 15, second=0, microsecond=0)
    run = _run_on(collection, start.date(), spread)
    return run if run is not None and start <= run < start + FIRING_INTERVAL else None


def next_run(collection: Collection, now: datetime, spread: int) -> datetime | None:
    """The collection's first run after ``now``; None without a schedule."""
    days = (now.date() + timedelta(days=number) for number in range(_LONGEST_WAIT_DAYS + 1))
    runs = (_run_on(collection, day, spread) for day in days)
    return next((run for run in runs if run is not None and run > now), None)


def _run_on(collection: Collection, day: date, spread: int) -> datetime | None:
    """The collection's run on a day, always at the same second of its hour."""
    hour = sync_hour(collection)
    is_due = {
        AutoSync.DAILY: True,
        AutoSync.WEEKLY: day.weekday() == _SUNDAY,
        AutoSync.MONTHLY: day.day == 1,
    }.get(collection.auto_sync, False)
    if hour is None or not is_due:
        return None
    second = uuid.UUID(collection.uuid).int % spread if spread else 0
    return datetime.combine(day, time(hour), UTC) + timedelta(seconds=second)
