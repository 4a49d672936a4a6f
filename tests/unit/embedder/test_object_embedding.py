"""A batch of presigned URLs: each object with its own result or its own error, its neighbours unharmed."""

import base64
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from embedder_container.decoder_pool import DecoderPool
from embedder_container.embedder import Embedder
from embedder_container.handler import answer
from embedder_container.inference import Model
from embedder_container.limits import MAX_BYTES
from embedder_container.transfer import STORE_HOSTS, Transfers
from tests.embedder.samples import captions, encoded, photo, two_halves
from tests.embedder.store import Store


def embed(embedder: Embedder, *objects: dict[str, Any]) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = answer({"op": "embed_objects", "objects": list(objects)}, embedder)["results"]
    return results


def test_an_object_is_embedded_and_its_thumbnail_stored(embedder: Embedder, store: Store) -> None:
    (result,) = embed(embedder, {"url": store.put("owl.jpg", photo()), "thumbnail_url": store.url("thumb.jpg")})
    assert (result["format"], result["size"]) == ("JPEG", len(photo()))
    content_type, body = store.uploads["/thumb.jpg"]
    assert content_type == "image/jpeg"
    assert max(Image.open(BytesIO(body)).size) == 512


@pytest.mark.parametrize("extra", [{}, {"thumbnail_url": None}])
def test_without_a_place_for_it_no_thumbnail_is_made(embedder: Embedder, store: Store, extra: dict[str, None]) -> None:
    (result,) = embed(embedder, {"url": store.put("owl.jpg", photo()), **extra})
    assert "vector" in result
    assert store.uploads == {}


def test_a_vector_is_the_same_to_the_last_bit_alone_and_in_a_batch_of_any_size(
    embedder: Embedder, store: Store
) -> None:
    files = [path.read_bytes() for path, _ in captions()[:20]]
    event = {"op": "embed_image", "image": base64.b64encode(files[3]).decode()}
    alone = answer(event, embedder)["results"][0]
    objects = [{"url": store.put(f"{number}.jpg", data)} for number, data in enumerate(files)]
    for batch in (objects[3:4], objects[2:5], objects):
        assert embed(embedder, *batch)[batch.index(objects[3])] == alone


@pytest.mark.parametrize(
    ("path", "code", "transient"),
    [
        ("nowhere.jpg", "source_not_found", False),
        ("status/410", "source_not_found", False),
        ("status/403", "source_denied", False),
        ("status/403/AccessDenied", "source_denied", False),
        ("status/403/InvalidObjectState", "archived", False),
        ("status/400/KMS.DisabledException", "source_denied", False),
        ("status/400/KMS.NotFoundException", "source_denied", False),
        ("status/400/KMS.ThrottlingException", "source_unavailable", True),
        ("status/400/ExpiredToken", "source_unavailable", True),
        ("status/503/SlowDown", "source_unavailable", True),
        ("expired", "source_unavailable", True),
        ("status/400", "source_unavailable", True),
        ("status/429", "source_unavailable", True),
        ("status/500", "source_unavailable", True),
        ("status/503", "source_unavailable", True),
        ("status/302", "source_unavailable", True),
        ("status/307", "source_unavailable", True),
        ("lies", "source_unavailable", True),
        ("stalls", "source_unavailable", True),
        ("drips", "source_unavailable", True),
        ("announces-too-much", "too_large", False),
        ("sends-too-much", "too_large", False),
        ("empty.jpg", "empty", False),
        ("notes.txt", "not_an_image", False),
        ("cut.jpg", "truncated_image", False),
        ("phone.heic", "truncated_image", False),
        ("camera.cr3", "unsupported_format", False),
    ],
)
def test_each_failure_has_its_code_and_harms_no_neighbour(
    embedder: Embedder, store: Store, path: str, code: str, transient: bool
) -> None:
    good = {"url": store.put("owl.jpg", photo())}
    store.put("empty.jpg", b"")
    store.put("notes.txt", b"dear diary")
    store.put("cut.jpg", photo()[:5000])
    store.put("phone.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    store.put("camera.cr3", b"\0\0\0\x18ftypcrx \0\0\0\1crx isom")
    before, bad, after = embed(embedder, good, {"url": store.url(path)}, good)
    assert (bad["error"]["code"], bad["error"]["transient"]) == (code, transient)
    assert set(bad) == {"error"}
    assert before == after
    assert "vector" in before


def test_a_store_that_is_not_there_is_unavailable(lite: Model, decoders: DecoderPool) -> None:
    nobody = "http://127.0.0.1:1"
    (result,) = embed(Embedder(lite, Transfers(nobody), decoders, processors=1), {"url": f"{nobody}/owl.jpg"})
    assert (result["error"]["code"], result["error"]["transient"]) == ("source_unavailable", True)


@pytest.mark.parametrize("status", [403, 500])
def test_a_thumbnail_that_cannot_be_stored_is_worth_another_try(embedder: Embedder, store: Store, status: int) -> None:
    good = store.put("owl.jpg", photo())
    failed, fine = embed(embedder, {"url": good, "thumbnail_url": store.url(f"status/{status}")}, {"url": good})
    assert (failed["error"]["code"], failed["error"]["transient"]) == ("thumbnail_failed", True)
    assert "vector" in fine


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
def test_only_the_stores_own_hosts_are_fetched(embedder: Embedder, url: str) -> None:
    (result,) = embed(embedder, {"url": url})
    assert (result["error"]["code"], result["error"]["transient"]) == ("source_denied", False)


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
    ],
)
def test_each_of_s3s_hosts_is_known(host: str) -> None:
    assert STORE_HOSTS.fullmatch(host)


def test_without_a_local_endpoint_plain_http_is_refused(lite: Model, store: Store, decoders: DecoderPool) -> None:
    in_the_cloud = Embedder(lite, Transfers(endpoint=None), decoders, processors=1)
    (result,) = embed(in_the_cloud, {"url": store.put("owl.jpg", photo())})
    assert result["error"]["code"] == "source_denied"


def test_a_file_just_within_the_limit_is_taken(embedder: Embedder, store: Store) -> None:
    padded = encoded(two_halves(), "BMP")
    padded += bytes(MAX_BYTES - len(padded))
    (result,) = embed(embedder, {"url": store.put("large.bmp", padded)})
    assert result["size"] == MAX_BYTES


def test_a_defect_met_by_one_object_is_its_own(
    lite: Model, store: Store, decoders: DecoderPool, caplog: pytest.LogCaptureFixture
) -> None:
    class Defective(Transfers):
        def download(self, url: str, limit: int, too_large: Exception) -> bytes:
            if "bad" in url:
                raise RuntimeError("a defect")
            return photo()

    embedder = Embedder(lite, Defective(), decoders, processors=1)
    bad, good = embed(embedder, {"url": store.url("bad")}, {"url": store.url("good")})
    assert (bad["error"]["code"], bad["error"]["transient"]) == ("internal", True)
    assert "a defect" not in bad["error"]["message"]
    assert "a defect" in caplog.text
    assert "vector" in good


def test_a_picture_that_the_model_fails_on_takes_no_neighbour_along(
    lite: Model, store: Store, decoders: DecoderPool, caplog: pytest.LogCaptureFixture
) -> None:
    class Brittle(Model):
        def run_vision(self, tensors: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
            if any(np.ptp(tensor[:, 0]) == 0 for tensor in tensors):  # one that is of a single colour
                raise RuntimeError("the graph fails")
            return super().run_vision(tensors)

    plain = encoded(Image.new("RGB", (64, 64), "red"), "PNG")
    objects = [{"url": store.put(f"{place}", body)} for place, body in enumerate([photo(), plain, photo()])]
    brittle = Embedder(Brittle(lite.card, threads=1), Transfers(store.endpoint), decoders, processors=1)
    before, bad, after = embed(brittle, *objects)
    assert (bad["error"]["code"], bad["error"]["transient"]) == ("internal", True)
    assert before == after == embed(Embedder(lite, Transfers(store.endpoint), decoders, processors=1), objects[0])[0]
    assert "the graph fails" in caplog.text
