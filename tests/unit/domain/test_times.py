"""Times as programs write them: each is read as what it says, in a token's expiry and in a filter alike."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.accounts import parse_expiry
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.file_facts import milliseconds
from chalicelib.domain.filter_syntax import parse_filter, parse_filter_parameters
from chalicelib.domain.filters import Filter, Range, Within
from chalicelib.domain.times import parse_time

NOW = datetime(2026, 3, 1, tzinfo=UTC)
NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)


def modified(start: datetime, precision: timedelta) -> Filter:
    low = milliseconds(start)
    return Filter((Within("modified", (Range(low, low + precision // timedelta(milliseconds=1)),)),))


@pytest.mark.parametrize(
    "text",
    [
        *("2030-01-31T12:00:00Z", "2030-01-31T12:00:00+00:00", "2030-01-31T12:00Z", "2030-01-31 12:00:00Z"),
        *("2030-01-31t12:00:00z", "2030-01-31T14:00:00+02:00", "2030-01-31T14:00:00+0200", "2030-01-31T06:30-05:30"),
        *("2030-01-31T12:00:00-00:00", "2030-02-01T11:59:00+23:59", "2030-01-31 14:00:00+02", "2030-01-31T12:00-00"),
    ],
)
def test_a_time_to_the_second_is_read_in_each_spelling(text: str) -> None:
    assert parse_expiry(text, NOW) == NOON
    assert parse_filter({"modified": text}) == modified(NOON, timedelta(seconds=1))
    assert parse_filter_parameters({"modified": [text]}) == modified(NOON, timedelta(seconds=1))


@pytest.mark.parametrize("decimals", ["5", "50", "500", "500000", "5000000", "500000000", "500999"])
@pytest.mark.parametrize("sign", [".", ","])
def test_a_time_has_as_many_decimals_as_a_language_writes(sign: str, decimals: str) -> None:
    text = f"2030-01-31T12:00:00{sign}{decimals}Z"
    expiry = parse_expiry(text, NOW)
    assert expiry is not None
    assert timedelta(milliseconds=500) <= expiry - NOON < timedelta(milliseconds=501)
    assert parse_filter({"modified": text}) == modified(expiry, timedelta(milliseconds=1))


@pytest.mark.parametrize(
    "text",
    ["2030-01-31T14:00:00 02:00", "2030-01-31 14:00:00 0200", "2030-01-31T14:00 02:00", "2030-01-31 14:00:00 02"],
)
def test_a_plus_sign_that_a_query_has_lost_is_found_again_in_a_parameter_alone(text: str) -> None:
    assert parse_filter_parameters({"modified": [text]}) == modified(NOON, timedelta(seconds=1))
    with pytest.raises(InvalidRequest):
        parse_filter({"modified": text})


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "now",
            "2030",
            "2030-01",
            "1893499200",
            "2030-01-31T",
            "2030-01-31T12",
            "2030-01-31T12:00:00+2",
            "12:00Z",
        ),
        *("2030-01-31T12:00:00+02:00:30", "2030-01-31T12:00:00.Z", "2030-01-31T12:00:00 Z", "2030-01-31T12:00:00ZZ"),
        *("2030-01-31T12:00:00+24:00", "2030-02-30T12:00:00Z", "2030-01-31T25:00:00Z", "2030-01-31T12:00:60Z"),
        *("2030-W05-4T12:00:00Z", "20300131T120000Z", "\uff12030-01-31T12:00:00Z", "2030-01-31T12:00:00\u221202:00"),
        *("2030-01-31T12:00:00[Europe/Rome]", "Thu, 31 Jan 2030 12:00:00 GMT", " 2030-01-31T12:00:00Z", "2030-01-31\n"),
    ],
)
def test_what_states_no_time_is_refused_in_each_place(text: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_expiry(text, NOW)
    for parse in (parse_filter, lambda written: parse_filter_parameters({"modified": [written["modified"]]})):
        with pytest.raises(InvalidRequest):
            parse({"modified": text})


def test_a_token_expires_within_the_years_of_utc() -> None:
    assert parse_expiry("9999-12-31T23:59:59+00:00", NOW) is not None
    with pytest.raises(InvalidRequest):
        parse_expiry("9999-12-31T23:59:59-01:00", NOW)


@given(
    st.datetimes(timezones=st.integers(-1439, 1439).map(lambda minutes: timezone(timedelta(minutes=minutes)))),
    st.sampled_from(["seconds", "milliseconds", "microseconds"]),
)
def test_what_isoformat_writes_is_read_again(moment: datetime, timespec: str) -> None:
    written = moment.isoformat(timespec=timespec)
    assert parse_time(written).moment == datetime.fromisoformat(written)
