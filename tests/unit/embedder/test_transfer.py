"""Only S3's own hosts are fetched, the local endpoint, and servers of the Internet by HTTPS."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain import web_urls
from embedder_container import servers
from embedder_container.errors import Code, ItemError
from embedder_container.servers import Servers
from embedder_container.transfer import S3_HOST, Transfers


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/owl.jpg",
        "http://169.254.169.254/latest",
        "https://169.254.169.254/latest",
        "http://bucket.s3.eu-central-1.amazonaws.com/owl.jpg",
        "https://bucket.s3.eu-central-1.amazonaws.com:8443/owl.jpg",
        "https://bucket.s3.eu-central-1.amazonaws.com@evil.example/owl.jpg",
        "https://me@bucket.s3.eu-central-1.amazonaws.com/owl.jpg",
        "https://localhost/owl.jpg",
        "https://10.0.0.1/owl.jpg",
        "https://s3.example.com@127.0.0.1/owl.jpg",
        "http://s3.example.com/owl.jpg",
        "https://evil-s3.amazonaws.com/owl.jpg",
        "https://lambda.eu-central-1.amazonaws.com/2015-03-31/functions",
        "https://s3.evil.amazonaws.com/owl.jpg",
        "https://127.0.0.1/owl.jpg",
        "https://[::1]/owl.jpg",
        "owl.jpg",
        "",
        "http://[",
        "https://bucket.s3.amazonaws.com:port/owl.jpg",
    ],
)
def test_a_url_of_any_other_host_is_refused(url: str) -> None:
    too_large = ItemError(Code.TOO_LARGE, "not expected here")
    with pytest.raises(ItemError) as caught:
        Transfers("http://127.0.0.1:4566").download(url, 1000, too_large)
    assert (caught.value.code, caught.value.transient) == (Code.SOURCE_DENIED, False)


@pytest.mark.parametrize("addresses", [[], ["127.0.0.1"], ["93.184.216.34", "10.0.0.1"], ["169.254.169.254"], ["::1"]])
def test_a_server_whose_name_has_an_address_that_is_not_public_is_not_connected_to(addresses: list[str]) -> None:
    transfers = Transfers(servers=Servers(resolve=lambda host, port: addresses))
    for url in ("https://s3.example.com/owl.jpg", "https://s3.amazonaws.com.evil.example:9000/owl.jpg"):
        with pytest.raises(ItemError) as caught:
            transfers.download(url, 1000, ItemError(Code.TOO_LARGE, "not expected here"))
        assert (caught.value.code, caught.value.transient) == (Code.SOURCE_DENIED, False)


def test_a_thumbnail_is_stored_on_s3_alone() -> None:
    with pytest.raises(ItemError) as caught:
        Transfers(servers=Servers(is_local=True)).upload("https://s3.example.com/owl.jpg", b"a thumbnail")
    assert caught.value.code == Code.SOURCE_DENIED


@given(st.ip_addresses().map(str) | st.sampled_from(["", "x", "::ffff:127.0.0.1", "64:ff9b::7f00:1"]))
def test_the_embedder_and_the_application_call_the_same_addresses_public(address: str) -> None:
    assert servers.is_public(address) is web_urls.is_public(address)
    assert servers.is_public_or_local(address) is web_urls.is_public_or_local(address)


@pytest.mark.parametrize(
    "host",
    [
        "bucket.s3.amazonaws.com",
        "bucket.s3.eu-central-1.amazonaws.com",
        "s3.us-east-1.amazonaws.com",
        "s3-eu-west-1.amazonaws.com",
        "my.dotted.bucket.s3.us-gov-west-1.amazonaws.com",
        "bucket.s3-accelerate.amazonaws.com",
        "bucket.s3.dualstack.ap-southeast-2.amazonaws.com",
        "bucket.s3.cn-north-1.amazonaws.com.cn",
        "bucket.s3.eusc-de-east-1.amazonaws.eu",
    ],
)
def test_each_kind_of_s3_host_is_recognised(host: str) -> None:
    assert S3_HOST.fullmatch(host)
