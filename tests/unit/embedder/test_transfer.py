"""Only S3's own hosts are fetched, and the local endpoint."""

import pytest

from embedder_container.errors import Code, ItemError
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
        "https://s3.amazonaws.com.evil.example/owl.jpg",
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
