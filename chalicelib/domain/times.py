"""Times as callers write them: ISO 8601 in the profile of RFC 3339, and what programs write that comes near it.

.NET writes seven decimals and Go nine, RFC 3339 allows small letters, ``date +%z`` writes no colon, and
PostgreSQL no minutes of a zone that has none.
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?P<decimals>[.,]\d{1,12})?)?(?:Z|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII | re.IGNORECASE,
)
_WITHOUT_PLUS = re.compile(r"(\S{10}[Tt ]\S*:\S*) (\d\d(?::?\d\d)?)")


class NotATime(ValueError):
    """The text has another form than a date with a time."""


@dataclass(frozen=True, slots=True)
class StatedTime:
    """A time, with its zone if it has one, and how finely it was stated: to the second or the millisecond."""

    moment: datetime
    precision: timedelta


def parse_time(text: str, *, is_parameter: bool = False) -> StatedTime:
    """The time that a text states; what is finer than a microsecond is cut off.

    Args:
        is_parameter: it is of a query, in which a plus sign that was not escaped arrives as a space.

    Raises:
        NotATime: it is none.
        ValueError: there is no such time.
    """
    if is_parameter and (parts := _WITHOUT_PLUS.fullmatch(text)):
        text = f"{parts[1]}+{parts[2]}"
    match = _TIME.fullmatch(text)
    if match is None:
        raise NotATime(text)
    precision = timedelta(milliseconds=1) if match["decimals"] else timedelta(seconds=1)
    return StatedTime(datetime.fromisoformat(text.upper()), precision)
