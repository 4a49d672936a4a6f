"""Events and responses, exactly as the application relies on them."""

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from embedder_container import DECODE_VERSION
from embedder_container.embedder import Embedder
from embedder_container.handler import embedder_from_settings, handle_event
from embedder_container.settings import Settings
from tests.embedder.samples import decode_vector, encode, photo, two_halves
from tests.embedder.store import ObjectStore

ROOT = Path(__file__).resolve().parents[3]


def image_event(data: bytes) -> dict[str, str]:
    return {"op": "embed_image", "image": base64.b64encode(data).decode()}


def test_texts_are_embedded_in_order_with_model_version_and_dimension(unloaded_embedder: Embedder) -> None:
    response = handle_event({"op": "embed_texts", "texts": ["an owl", "a bison"]}, unloaded_embedder)
    assert (response["model"], response["dimension"]) == (f"lite-1+d{DECODE_VERSION}", 512)
    assert [set(result) for result in response["results"]] == [{"vector"}, {"vector"}]
    assert len(base64.b64decode(response["results"][0]["vector"])) == 4 * 512
    swapped = handle_event({"op": "embed_texts", "texts": ["a bison", "an owl"]}, unloaded_embedder)
    assert swapped["results"] == response["results"][::-1]


def test_an_image_has_a_vector_and_the_properties_of_its_file(embedder: Embedder) -> None:
    exif = Image.Exif()
    exif[0x010E] = "a caption"
    exif.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    data = encode(two_halves(), "PNG", exif=exif)
    (result,) = handle_event(image_event(data), embedder)["results"]
    assert decode_vector(result).shape == (512,)
    del result["vector"]
    assert len(bytes.fromhex(result.pop("perceptual_hash"))) == 8
    digest = hashlib.md5(data).hexdigest()
    size = {"size": len(data), "width": 80, "height": 40}
    assert result == {**size, "md5": digest, "format": "PNG", "taken": "2024-05-06T07:08:09"}


def test_a_file_that_is_not_an_image_has_an_error_of_its_own(embedder: Embedder) -> None:
    (result,) = handle_event(image_event(b"hello"), embedder)["results"]
    assert result == {
        "error": {"code": "not_an_image", "message": "the file is not a picture", "transient": False},
    }
    (result,) = handle_event({"op": "embed_image", "image": ""}, embedder)["results"]
    assert result["error"]["code"] == "empty"


def test_each_invocation_logs_one_line_without_secrets(
    embedder: Embedder, store: ObjectStore, capsys: pytest.CaptureFixture[str]
) -> None:
    url = store.url("status/503")
    handle_event(image_event(photo()), embedder)
    response = handle_event({"op": "embed_objects", "objects": [{"url": url}]}, embedder, request_id="r-1")
    lines = capsys.readouterr().out.splitlines()
    first, second = (json.loads(line) for line in lines)
    assert {"decode_ms", "inference_ms", "total_ms"} <= set(first)
    assert (second["op"], second["count"], second["errors"]) == ("embed_objects", 1, 1)
    assert (second["codes"], second["request_id"]) == ({"source_unavailable": 1}, "r-1")
    assert second["download_ms"] >= 0
    assert "secret" not in lines[1] + json.dumps(response)


def test_the_timings_contain_the_models_part(embedder: Embedder) -> None:
    timings = handle_event(image_event(photo()), embedder)["timings"]
    assert 0 < timings["inference_ms"] < timings["total_ms"]


@pytest.mark.parametrize(
    "event",
    [
        {"op": "embed_texts", "texts": ["an owl"]},
        {"op": "embed_image", "image": ""},
        {"op": "embed_objects", "objects": [{"url": "https://127.0.0.1:1/owl.jpg"}]},
    ],
)
def test_an_invocation_fails_if_the_model_has_no_files_and_names_the_command(
    tmp_path: Path, event: dict[str, Any]
) -> None:
    (tmp_path / "lite").mkdir()
    with pytest.raises(FileNotFoundError, match=r"embedder_container\.fetch lite"):
        handle_event(event, embedder_from_settings(Settings.from_environ({"MODELS_DIR": str(tmp_path)})))


def test_warm_loads_both_encoders(unloaded_embedder: Embedder) -> None:
    response = handle_event({"op": "warm"}, unloaded_embedder)
    assert response["results"] == []
    assert unloaded_embedder.model._vision is not None
    assert unloaded_embedder.model._text is not None


@pytest.mark.parametrize(("initialization", "loaded"), [("provisioned-concurrency", True), ("on-demand", False)])
def test_a_provisioned_instance_loads_its_model_before_the_first_event(
    tmp_path: Path, initialization: str, loaded: bool
) -> None:
    script = f"""
from embedder_container import handler
loaded = handler._embedder.cache_info().currsize == 1 and handler._embedder().model._vision is not None
assert loaded is {loaded}
"""
    environ = {"PYTHONPATH": str(ROOT), "AWS_LAMBDA_INITIALIZATION_TYPE": initialization}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environ, check=True, timeout=30)


def test_a_text_query_loads_neither_pillow_nor_the_vision_graph(tmp_path: Path) -> None:
    script = """
import sys
from embedder_container.handler import _embedder, handler
handler({"op": "embed_texts", "texts": ["an owl"]}, None)
assert "PIL" not in sys.modules
assert _embedder().model._vision is None
"""
    # From another directory: the code must not depend on the Lambda's working directory.
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True, timeout=30)
