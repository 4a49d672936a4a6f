"""Files and filters that tests draw: few values of each kind, so that filters and files meet often."""

from datetime import UTC, datetime, timedelta, timezone
from random import Random
from typing import Any

from hypothesis import strategies as st

from chalicelib.domain.metadata import Metadata
from chalicelib.domain.vectors import FileSummary

PATHS = (
    "a.jpg", "2024/a.jpg", "2024/may/a.jpg", "2024/may/b.PNG", "2024-may/a.jpg", "2025/\u00c4 [1].jpg",
    "2025/[ab]?.jpg", "2025/a\\b.jpg", "2025/aa.jpg", "//a.jpg", "\U0001f600/\u4e2d.jpg", "2024", "x" * 900,
)  # fmt: skip
PATTERNS = (
    *PATHS, "2024/", "2024/*", "*.jpg", "*a*", "2*/*a.jpg", "2025/[ab]?*", "2025/a\\*", "*\\b*", "*", "**", "20*4*",
    "\U0001f600*", "/*", "*.PNG", "*.png", "x" * 899 + "*", "a.jpg/", "2024/may*b*",
)  # fmt: skip
FORMATS, ORIENTATIONS = ("JPEG", "PNG", "HEIF"), ("landscape", "portrait", "square")
SIDES, SIZES = (1, 2, 3, 1000), (0, 1, 999, 1000, 1001, 25 * 1024**2)
TIMES = (
    datetime(2024, 1, 1, tzinfo=UTC),
    datetime(2024, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
    datetime(2025, 1, 1, 1, 30, tzinfo=timezone(timedelta(hours=2))),
    datetime(2025, 1, 1),
    datetime(1, 1, 1),
    None,
)
WRITTEN_TIMES = ("2024-01-01", "2024-12-31", "2025-01-01", "2025-01-01T00:00:00Z", "2024-12-31T23:30:00", "0001-01-01")
TEXT_VALUES = ("A1", "A2", "", "a", "\u00e4", "\U0001f600", "\uff5e", "true", "5")
NUMBER_VALUES = (0, -0.0, 5, 5.0, -1.5, 1e300, -1e300, 0.1, 2**53)
NAMES = ("tag", "price", "a-b", "n")


def a_file(random: Random, collection: str, number: int) -> FileSummary:
    """A file's summary with any facts."""
    path = random.choice(PATHS)
    return FileSummary(
        collection=collection,
        bucket="photographs",
        key=f"folder/{path}",
        size=random.choice(SIZES),
        md5=f"{number:032x}",
        path=path,
        width=random.choice(SIDES),
        height=random.choice(SIDES),
        format=random.choice(FORMATS),
        modified=random.choice([time for time in TIMES if time is None or time.tzinfo]),
        taken=random.choice(TIMES),
        metadata=some_metadata(random),
    )


def some_metadata(random: Random) -> Metadata:
    lists = [tuple(random.choices(TEXT_VALUES, k=random.randrange(4)))]
    return {
        name: random.choice([*random.choices(TEXT_VALUES, k=2), random.choice(NUMBER_VALUES), True, False, *lists])
        for name in random.sample(NAMES, random.randrange(4))
    }


def _bounds(values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    low = st.fixed_dictionaries({}, optional={"gte": values}) | st.fixed_dictionaries({"gt": values})
    high = st.fixed_dictionaries({}, optional={"lt": values}) | st.fixed_dictionaries({"lte": values})
    return st.tuples(low, high).map(lambda both: both[0] | both[1]).filter(bool)


def _any_of(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return values | st.lists(values, min_size=1, max_size=3)


_numbers = st.sampled_from((*SIDES, *SIZES))
_times = st.sampled_from(WRITTEN_TIMES)
_exists = st.fixed_dictionaries({"exists": st.booleans()})
_wanted_metadata = st.dictionaries(
    st.sampled_from(NAMES),
    _any_of(st.sampled_from(TEXT_VALUES) | st.sampled_from(NUMBER_VALUES) | st.booleans())
    | _bounds(st.sampled_from(TEXT_VALUES))
    | _bounds(st.sampled_from(NUMBER_VALUES))
    | _exists,
    max_size=2,
)
# A filter as JSON; some are refused, because their ranges end before they begin.
written_filters: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "path": _any_of(st.sampled_from(PATTERNS)),
        "format": _any_of(st.sampled_from([name.lower() for name in FORMATS])),
        "orientation": _any_of(st.sampled_from(ORIENTATIONS)),
        **{name: _any_of(_numbers) | _bounds(_numbers) for name in ("size", "width", "height")},
        **{name: _any_of(_times) | _bounds(_times) | _exists for name in ("modified", "taken")},
        "metadata": _wanted_metadata,
    },
)
