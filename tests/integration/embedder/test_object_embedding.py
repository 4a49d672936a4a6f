"""A batch of presigned URLs: each object has its own result or its own error, whatever its neighbours have."""

import base64
import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from embedder_container.decoder_pool import DecoderPool
from embedder_container.embedder import Embedder
from embedder_container.handler import handle_event
from embedder_container.inference import Model
from embedder_container.limits import MAX_FILE_BYTES
from embedder_container.models import read_description
from embedder_container.tasks import ObjectToEmbed, Timings
from embedder_container.transfer import START_BYTES, Transfers
from embedder_container.transforms import to_pixels
from tests.embedder.exported_model import write_exported_model
from tests.embedder.samples import captioned_photos, encode, photo, two_halves
from tests.embedder.store import ObjectStore


def embed(embedder: Embedder, *objects: dict[str, Any]) -> list[dict[str, Any]]:
    results: list[dict[str, Any]] = handle_event({"op": "embed_objects", "objects": list(objects)}, embedder)["results"]
    return results


def test_an_object_is_embedded_and_its_thumbnail_stored(embedder: Embedder, store: ObjectStore) -> None:
    (result,) = embed(embedder, {"url": store.put("owl.jpg", photo()), "thumbnail_url": store.url("thumb.jpg")})
    assert (result["format"], result["size"]) == ("JPEG", len(photo()))
    content_type, body = store.uploads["/thumb.jpg"]
    assert content_type == "image/jpeg"
    assert max(Image.open(BytesIO(body)).size) == 512


@pytest.mark.parametrize("extra", [{}, {"thumbnail_url": None}])
def test_an_object_without_a_thumbnail_url_gets_no_thumbnail(
    embedder: Embedder, store: ObjectStore, extra: dict[str, None]
) -> None:
    (result,) = embed(embedder, {"url": store.put("owl.jpg", photo()), **extra})
    assert "vector" in result
    assert store.uploads == {}


def test_a_vector_is_the_same_to_the_last_bit_alone_and_in_a_batch_of_any_size(
    embedder: Embedder, store: ObjectStore
) -> None:
    files = [path.read_bytes() for path, _ in captioned_photos()[:20]]
    event = {"op": "embed_image", "image": base64.b64encode(files[3]).decode()}
    alone = handle_event(event, embedder)["results"][0]
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
def test_each_failure_has_its_code_and_its_neighbours_are_embedded(
    embedder: Embedder, store: ObjectStore, path: str, code: str, transient: bool
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


def test_an_object_of_an_unreachable_store_is_unavailable(lite: Model, decoders: DecoderPool) -> None:
    closed_port = "http://127.0.0.1:1"
    (result,) = embed(Embedder(lite, Transfers(closed_port), decoders, processors=1), {"url": f"{closed_port}/owl.jpg"})
    assert (result["error"]["code"], result["error"]["transient"]) == ("source_unavailable", True)


@pytest.mark.parametrize("status", [403, 500])
def test_an_upload_failure_of_a_thumbnail_is_transient(embedder: Embedder, store: ObjectStore, status: int) -> None:
    good = store.put("owl.jpg", photo())
    failed, fine = embed(embedder, {"url": good, "thumbnail_url": store.url(f"status/{status}")}, {"url": good})
    assert (failed["error"]["code"], failed["error"]["transient"]) == ("thumbnail_failed", True)
    assert "vector" in fine


def test_without_a_local_endpoint_plain_http_is_refused(lite: Model, store: ObjectStore, decoders: DecoderPool) -> None:
    embedder = Embedder(lite, Transfers(endpoint=None), decoders, processors=1)
    (result,) = embed(embedder, {"url": store.put("owl.jpg", photo())})
    assert result["error"]["code"] == "source_denied"


def test_a_file_of_exactly_the_largest_size_is_embedded(embedder: Embedder, store: ObjectStore) -> None:
    padded = encode(two_halves(), "BMP")
    padded += bytes(MAX_FILE_BYTES - len(padded))
    (result,) = embed(embedder, {"url": store.put("large.bmp", padded)})
    assert result["size"] == MAX_FILE_BYTES


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("words.jpg", b"dear diary, "),
        ("words", b"\0"),
        ("film.jpg", b"\0\0\0\x14ftypisom\0\0\2\0isom\0\0\0\x08mdat"),
        ("book", b"%PDF-1.7\n"),
    ],
)
def test_of_a_file_that_is_no_picture_only_the_start_is_read(
    embedder: Embedder, store: ObjectStore, name: str, body: bytes
) -> None:
    (result,) = embed(embedder, {"url": store.put(name, body + bytes(20_000_000))})
    assert result["error"]["code"] in ("not_an_image", "unsupported_format")
    assert store.ranges == [f"bytes=0-{START_BYTES - 1}"]


def test_a_picture_is_read_in_one_request_or_two_and_to_its_last_byte(embedder: Embedder, store: ObjectStore) -> None:
    small, large = encode(two_halves(), "PNG"), encode(two_halves(), "PNG") + bytes(START_BYTES)
    for data, requests in ((small, 1), (large[:START_BYTES], 1), (large[: START_BYTES + 1], 2), (large, 2)):
        store.ranges.clear()
        (result,) = embed(embedder, {"url": store.put("owl.png", data)})
        assert (result["size"], result["md5"]) == (len(data), hashlib.md5(data).hexdigest())
        assert store.ranges == [f"bytes=0-{START_BYTES - 1}", f"bytes={START_BYTES}-"][:requests]


def test_a_store_that_sends_a_file_whole_is_understood(embedder: Embedder, store: ObjectStore) -> None:
    whole = encode(two_halves(), "PNG") + bytes(START_BYTES)
    (result,) = embed(embedder, {"url": store.put("no-ranges/owl.png", whole)})
    assert result["size"] == len(whole)


def test_a_defect_met_by_one_object_is_that_objects_error(
    lite: Model, store: ObjectStore, decoders: DecoderPool, caplog: pytest.LogCaptureFixture
) -> None:
    class DefectiveTransfers(Transfers):
        def download(self, url: str, *_: object) -> bytes:
            if "bad" in url:
                raise RuntimeError("a defect")
            return photo()

    embedder = Embedder(lite, DefectiveTransfers(), decoders, processors=1)
    bad, good = embed(embedder, {"url": store.url("bad")}, {"url": store.url("good")})
    assert (bad["error"]["code"], bad["error"]["transient"]) == ("internal", True)
    assert "a defect" not in bad["error"]["message"]
    assert "a defect" in caplog.text
    assert "vector" in good


def test_an_image_that_the_model_fails_on_does_not_fail_its_neighbours(
    lite: Model, store: ObjectStore, decoders: DecoderPool, caplog: pytest.LogCaptureFixture
) -> None:
    class FailingModel(Model):
        def run_vision(self, pixels: NDArray[np.float32]) -> NDArray[np.float32]:
            if any(np.ptp(tensor[0]) == 0 for tensor in pixels):  # an image of a single colour
                raise RuntimeError("the graph fails")
            return super().run_vision(pixels)

    red = encode(Image.new("RGB", (64, 64), "red"), "PNG")
    objects = [{"url": store.put(f"{number}", body)} for number, body in enumerate([photo(), red, photo()])]
    failing = Embedder(FailingModel(lite.description, threads=1), Transfers(store.endpoint), decoders, processors=1)
    before, bad, after = embed(failing, *objects)
    assert (bad["error"]["code"], bad["error"]["transient"]) == ("internal", True)
    alone = embed(Embedder(lite, Transfers(store.endpoint), decoders, processors=1), objects[0])[0]
    assert before == after == alone
    assert "the graph fails" in caplog.text


def test_a_graph_exported_for_one_image_is_run_with_one_at_a_time(tmp_path: Path) -> None:
    class ColouredImages(Transfers):
        def download(self, url: str, *_: object) -> bytes:
            return encode(Image.new("RGB", (8, 8), url), "PNG")

    write_exported_model(tmp_path)
    model = Model(read_description(tmp_path), threads=1)
    config = model.description.image
    decoders = DecoderPool(config, processes=1)
    colours = ["red", "lime", "blue", "orange", "purple"]
    objects = [ObjectToEmbed(colour) for colour in colours]
    results = Embedder(model, ColouredImages(), decoders, processors=1).embed_objects(objects, Timings())
    decoders.close()
    expected = [model.embed_pixels(to_pixels(Image.new("RGB", (8, 8), colour), config)) for colour in colours]
    assert [result["vector"] for result in results] == [base64.b64encode(vector).decode() for vector in expected]


def make_thumbnail(embedder: Embedder, **event: Any) -> dict[str, Any]:
    (result,) = handle_event({"op": "make_thumbnail", **event}, embedder)["results"]
    return dict(result)


@pytest.mark.parametrize("side", [256, 1024])
def test_a_thumbnail_is_made_in_another_size(embedder: Embedder, store: ObjectStore, side: int) -> None:
    picture = encode(two_halves(3000, 2000), "JPEG")
    urls = {"url": store.put("large.jpg", picture), "thumbnail_url": store.url("made.jpg")}
    md5 = hashlib.md5(picture, usedforsecurity=False).hexdigest()
    assert make_thumbnail(embedder, **urls, side=side, md5=md5) == {}
    content_type, body = store.uploads["/made.jpg"]
    assert (content_type, max(Image.open(BytesIO(body)).size)) == ("image/jpeg", side)


def test_a_thumbnail_of_other_bytes_than_those_that_were_meant_is_not_stored(
    embedder: Embedder, store: ObjectStore
) -> None:
    urls = {"url": store.put("owl.jpg", photo()), "thumbnail_url": store.url("made.jpg")}
    result = make_thumbnail(embedder, **urls, side=1024, md5="0" * 32)
    assert result["error"]["code"] == "source_not_found"
    assert store.uploads == {}


def test_a_thumbnail_that_cannot_be_made_says_why(embedder: Embedder, store: ObjectStore) -> None:
    missing = make_thumbnail(embedder, url=store.url("missing.jpg"), thumbnail_url=store.url("made.jpg"), side=256)
    text = store.put("text.jpg", b"not a picture but words")
    unreadable = make_thumbnail(embedder, url=text, thumbnail_url=store.url("made.jpg"), side=256)
    codes = [result["error"]["code"] for result in (missing, unreadable)]
    assert codes == ["source_not_found", "not_an_image"]
    assert store.uploads == {}
