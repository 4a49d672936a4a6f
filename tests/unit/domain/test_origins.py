"""The origins that a token may be bound to, and the requests that they stand for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.origins import ORIGINS_MAX, is_origin_of, parse_origin, parse_origins

LABELS = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
HOSTS = st.lists(LABELS, min_size=2, max_size=4).map(".".join)


@pytest.mark.parametrize(
    ("written", "origin"),
    [
        ("https://shop.example", "https://shop.example"),
        ("HTTPS://Shop.Example:443", "https://shop.example"),
        ("http://shop.example:80", "http://shop.example"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://127.0.0.1:08000", "http://127.0.0.1:8000"),
        ("https://xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("https://*.shop.example:8443", "https://*.shop.example:8443"),
    ],
)
def test_origin_is_written_as_browsers_send_it(written: str, origin: str) -> None:
    assert parse_origin(written) == origin
    assert parse_origin(origin) == origin


@pytest.mark.parametrize(
    "written",
    [
        *("*", "null", "", "shop.example", "ftp://shop.example", "file://", "https://", "//shop.example"),
        *("https://shop.example/", "https://shop.example/page", "https://shop.example?a", "https://me@shop.example"),
        *("https://*", "https://*.com", "https://shop.*", "https://*shop.example", "https://a.*.example"),
        *("https://shop.example:0", "https://shop.example:65536", "https://shop.example:", "https://bücher.example"),
        *("https://-a.example", "https://a..example", "https://a.example\n", f"https://{'a.' * 127}example"),
        *(None, 1, ["https://shop.example"]),
    ],
)
def test_anything_but_an_origin_is_refused(written: object) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_origin(written)
    assert refused.value.field == "origins"


@pytest.mark.parametrize("written", ["https://shop.example", [], {}, ["https://shop.example"] * (ORIGINS_MAX + 1)])
def test_anything_but_a_list_of_one_to_twenty_is_refused(written: object) -> None:
    with pytest.raises(InvalidRequest):
        parse_origins(written)


def test_each_origin_of_a_list_is_kept_once() -> None:
    assert parse_origins(None) is None
    assert parse_origins(["https://a.example", "https://A.example:443"]) == ("https://a.example",)


@given(HOSTS, HOSTS)
def test_a_pattern_stands_for_its_origin_and_no_other(host: str, other: str) -> None:
    pattern = parse_origin(f"https://{host}")
    assert is_origin_of(f"https://{host}", [pattern])
    others = (f"http://{host}", f"https://{host}:8443", f"https://{host}.{other}", f"https://{other}.{host}", "null")
    assert not any(is_origin_of(origin, [pattern]) for origin in others)


@given(HOSTS, HOSTS)
def test_a_star_stands_for_all_hosts_below_and_for_no_other(domain: str, below: str) -> None:
    pattern = parse_origin(f"https://*.{domain}")
    assert is_origin_of(f"https://{below}.{domain}", [pattern])
    others = (
        *(f"https://{domain}", f"https://.{domain}", f"https://{below}{domain}", f"http://{below}.{domain}"),
        *(f"https://{below}.{domain}.evil.example", f"https://{below}.{domain}:444", f"https://*.{domain}"),
        *(f"https://evil.example/.{domain}", f"https://evil.example?.{domain}", f"https://a@b.{domain}"),
    )
    assert not any(is_origin_of(origin, [pattern]) for origin in others)
