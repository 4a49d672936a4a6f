"""What filters compare of a file."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from chalicelib.domain.file_facts import MAX_FOLDERS, FileFacts, Orientation, folders_of, milliseconds


def facts(**fields: int) -> FileFacts:
    size = {"width": 4, "height": 3} | fields
    return FileFacts(path="a.jpg", format="jpeg", size=1, modified=None, taken=None, **size)


@pytest.mark.parametrize(
    ("width", "height", "orientation"),
    [(4, 3, Orientation.LANDSCAPE), (3, 4, Orientation.PORTRAIT), (3, 3, Orientation.SQUARE)],
)
def test_the_longer_side_is_the_orientation(width: int, height: int, orientation: Orientation) -> None:
    assert facts(width=width, height=height).orientation is orientation


def test_a_time_is_counted_in_milliseconds_since_1970_and_without_a_zone_it_counts_as_utc() -> None:
    time = datetime(2024, 5, 6, 7, 8, 9, 123456)
    assert milliseconds(time) == milliseconds(time.replace(tzinfo=UTC)) == 1714979289123
    eastern = time.replace(tzinfo=timezone(timedelta(hours=2)))
    assert milliseconds(time) - milliseconds(eastern) == 2 * 3_600_000


def test_the_first_and_the_last_year_of_the_calendar_have_milliseconds_in_every_zone() -> None:
    for time in (datetime.min, datetime.max):
        for hours in (-14, 14):
            assert isinstance(milliseconds(time.replace(tzinfo=timezone(timedelta(hours=hours)))), int)


def test_a_path_lies_in_each_of_its_folders_the_outermost_first() -> None:
    assert folders_of("2024/may/a.jpg") == ("2024/", "2024/may/")
    assert folders_of("a.jpg") == ()
    assert folders_of("//a.jpg") == ("/", "//")
    assert len(folders_of("/" * 1000)) == MAX_FOLDERS
