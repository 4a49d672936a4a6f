"""Which URLs and addresses of the Web are fetched."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.web_pictures import PictureUrl, parse_picture_url
from chalicelib.domain.web_urls import is_public

REFUSED = [
    *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1"),
    *("169.254.169.254", "169.254.170.2", "169.254.169.253", "192.0.0.192", "192.0.2.1", "198.18.0.1"),
    *("192.88.99.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fd20:ce::254", "fec0::1", "ff02::1"),
    *("::ffff:127.0.0.1", "::ffff:8.8.8.8", "::127.0.0.1", "::8.8.8.8", "::ffff:0:8.8.8.8"),
    *("64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::a00:1", "2002:7f00:1::", "2002:808:808::1"),
    *("2001::1", "2001:20::1", "2001:db8::1", "3fff::1", "5f00::1", "100::1", "4000::1"),
    *("", "localhost", "2130706433", "0x7f000001", "127.1", "1.2.3.4.5", "example.com"),
]


@pytest.mark.parametrize("address", REFUSED)
def test_an_address_that_is_not_of_the_internet_is_refused(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::1"])
def test_an_address_of_the_internet_is_allowed(address: str) -> None:
    assert is_public(address)


@given(st.ip_addresses())
def test_no_address_is_public_that_python_does_not_call_global(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if is_public(str(ip)):
        assert ip.is_global
        assert not (ip.is_private or ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_reserved)


@given(st.ip_addresses(v=4))
def test_no_address_of_ipv6_that_leads_to_one_of_ipv4_is_public(ip: ipaddress.IPv4Address) -> None:
    for network in ("::", "::ffff:0:0", "::ffff:0:0:0", "64:ff9b::", "64:ff9b:1::"):
        assert not is_public(str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(network)) + int(ip))))
    assert not is_public(str(ipaddress.IPv6Address((0x2002 << 112) + (int(ip) << 80))))


@pytest.mark.parametrize(
    ("text", "url", "name"),
    [
        ("https://a.example/x/owl.jpg", PictureUrl("a.example", 443, "/x/owl.jpg"), "owl.jpg"),
        ("HTTPS://A.EXAMPLE:443/owl.jpg#part", PictureUrl("a.example", 443, "/owl.jpg"), "owl.jpg"),
        ("https://a.example", PictureUrl("a.example", 443, "/"), ""),
        ("https://a.example/?p=1&q=ü", PictureUrl("a.example", 443, "/?p=1&q=%C3%BC"), ""),
        ("https://bücher.example/ü%20b.jpg", PictureUrl("xn--bcher-kva.example", 443, "/%C3%BC%20b.jpg"), "ü b.jpg"),
        ("https://[2606:4700::1]/a.jpg", PictureUrl("2606:4700::1", 443, "/a.jpg"), "a.jpg"),
    ],
)
def test_a_url_is_read_with_its_host_target_and_name(text: str, url: PictureUrl, name: str) -> None:
    assert parse_picture_url(text) == url
    assert url.file_name == name


@pytest.mark.parametrize(
    "value",
    [
        *(None, 1, "", "a.jpg", "//a.example/a.jpg", "http://a.example/a.jpg", "ftp://a.example/a.jpg"),
        *("file:///etc/passwd", "data:image/png;base64,AA==", "https:///a.jpg", "https://a.example:8443/a.jpg"),
        *("https://user@a.example/a.jpg", "https://user:word@a.example/a.jpg", "https://@a.example/a.jpg"),
        *("https://a.example:443x/", "https://a.example:0/", "https://[::1/a.jpg", "https://a.example\\@b.example/"),
        *("https://a.example/a b.jpg", "https://a.example/\r\nHost: b", "https://a.example/" + "x" * 2048),
        *("https://a..example/", f"https://{'x' * 64}.example/", "https://a.example/\x00"),
        *("https://\xa0/", "https://a\u3000b.example/", "https://[fe80::1%eth0]/", "https://a%20b.example/"),
    ],
)
def test_any_other_url_is_refused(value: object) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_picture_url(value)
    assert refused.value.field == "url"


@given(st.text(max_size=60))
def test_no_text_is_read_as_a_url_that_could_end_a_line_of_a_request(text: str) -> None:
    try:
        url = parse_picture_url(f"https://{text}")
    except InvalidRequest:
        return
    for part in (url.host, url.target):
        assert part.isascii()
        assert not set(part) & set("\r\n \t\x00")
    assert url.port == 443
