"""Events and answers, exactly as callers rely on them."""

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from embedder_container.embedder import Embedder
from embedder_container.handler import answer, build, handler
from embedder_container.settings import Settings
from tests.embedder.samples import encoded, photo, two_halves, vector
from tests.embedder.store import Store

ROOT = Path(__file__).resolve().parents[3]


def test_texts_are_answered_in_order_with_the_stamp_and_the_dimension(fresh: Embedder) -> None:
    answered = answer({"op": "embed_texts", "texts": ["an owl", "a bison"]}, fresh)
    assert (answered["model"], answered["dimension"]) == ("lite-1+d2", 512)
    assert [set(result) for result in answered["results"]] == [{"vector"}, {"vector"}]
    assert len(base64.b64decode(answered["results"][0]["vector"])) == 4 * 512
    swapped = answer({"op": "embed_texts", "texts": ["a bison", "an owl"]}, fresh)
    assert swapped["results"] == answered["results"][::-1]


def test_a_picture_is_answered_with_what_is_known_of_it(embedder: Embedder) -> None:
    data = encoded(two_halves(), "PNG")
    (result,) = answer({"op": "embed_image", "image": base64.b64encode(data).decode()}, embedder)["results"]
    assert vector(result).shape == (512,)
    del result["vector"]
    digest = hashlib.md5(data).hexdigest()
    assert result == {"size": len(data), "md5": digest, "width": 80, "height": 40, "format": "PNG"}


def test_a_bad_picture_is_an_error_of_its_own(embedder: Embedder) -> None:
    (result,) = answer({"op": "embed_image", "image": base64.b64encode(b"hello").decode()}, embedder)["results"]
    assert result == {
        "error": {"code": "not_an_image", "message": "the file is not a picture", "transient": False},
    }
    (result,) = answer({"op": "embed_image", "image": ""}, embedder)["results"]
    assert result["error"]["code"] == "empty"


def test_describe_loads_nothing_and_tells_the_vector_space(fresh: Embedder) -> None:
    answered = answer({"op": "describe"}, fresh)
    assert (answered["model"], answered["dimension"], answered["results"]) == ("lite-1+d2", 512, [])
    assert set(answered["timings"]) == {"inference_ms", "total_ms"}


@pytest.mark.parametrize("event", [{"op": "embed_texts", "texts": []}, {"op": "embed_objects", "objects": []}])
def test_an_empty_list_has_an_empty_answer(fresh: Embedder, event: dict[str, Any]) -> None:
    assert answer(event, fresh)["results"] == []


@pytest.mark.parametrize(
    ("event", "complaint"),
    [
        (None, "an object with an 'op'"),
        ([], "an object with an 'op'"),
        ({}, "unknown op None"),
        ({"op": "embed_sounds"}, "unknown op 'embed_sounds'"),
        ({"op": ["embed_texts"]}, "unknown op"),
        ({"op": "embed_texts"}, "list of strings"),
        ({"op": "embed_texts", "texts": "owl"}, "list of strings"),
        ({"op": "embed_texts", "texts": ["owl", 1]}, "list of strings"),
        ({"op": "embed_image"}, "string of base64"),
        ({"op": "embed_image", "image": "not base64!"}, "string of base64"),
        ({"op": "embed_image", "image": "é"}, "string of base64"),
        ({"op": "embed_objects", "objects": {}}, "must be a list"),
        ({"op": "embed_objects", "objects": ["https://a"]}, "must have a 'url'"),
        ({"op": "embed_objects", "objects": [{"thumbnail_url": "https://a"}]}, "must have a 'url'"),
        ({"op": "embed_objects", "objects": [{"url": "https://a", "thumbnail_url": 1}]}, "must have a 'url'"),
    ],
)
def test_a_malformed_event_fails_with_a_clear_message(fresh: Embedder, event: Any, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        answer(event, fresh)


def test_each_invocation_logs_one_line_without_secrets(
    embedder: Embedder, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    url = store.url("status/503")
    good = {"op": "embed_image", "image": base64.b64encode(photo()).decode()}
    answer(good, embedder)
    answered = answer({"op": "embed_objects", "objects": [{"url": url}]}, embedder, request_id="r-1")
    lines = capsys.readouterr().out.splitlines()
    first, second = (json.loads(line) for line in lines)
    assert {"decode_ms", "inference_ms", "total_ms"} <= set(first)
    assert (second["op"], second["count"], second["errors"]) == ("embed_objects", 1, 1)
    assert (second["codes"], second["request_id"]) == ({"source_unavailable": 1}, "r-1")
    assert second["download_ms"] >= 0
    assert "secret" not in lines[1] + json.dumps(answered)


def test_the_timings_tell_the_models_share(embedder: Embedder) -> None:
    event = {"op": "embed_image", "image": base64.b64encode(photo()).decode()}
    timings = answer(event, embedder)["timings"]
    assert 0 < timings["inference_ms"] < timings["total_ms"]


@pytest.mark.parametrize(
    "event",
    [
        {"op": "embed_texts", "texts": ["an owl"]},
        {"op": "embed_image", "image": ""},
        {"op": "embed_objects", "objects": [{"url": "https://127.0.0.1:1/owl.jpg"}]},
    ],
)
def test_a_model_without_its_files_fails_the_invocation_and_says_how_to_mend_it(
    tmp_path: Path, event: dict[str, Any]
) -> None:
    (tmp_path / "lite").mkdir()
    with pytest.raises(FileNotFoundError, match=r"embedder_container\.fetch lite"):
        answer(event, build(Settings.from_environ({"MODELS_DIR": str(tmp_path)})))


def test_warming_up_loads_both_halves(fresh: Embedder) -> None:
    answered = answer({"op": "warm"}, fresh)
    assert answered["results"] == []
    assert fresh.model._vision is not None
    assert fresh.model._text is not None


@pytest.mark.parametrize(("kind", "loaded"), [("provisioned-concurrency", True), ("on-demand", False)])
def test_an_instance_that_is_kept_ready_is_ready(tmp_path: Path, kind: str, loaded: bool) -> None:
    script = f"""
from embedder_container import handler
loaded = handler._embedder.cache_info().currsize == 1 and handler._embedder().model._vision is not None
assert loaded is {loaded}
"""
    environ = {"PYTHONPATH": str(ROOT), "AWS_LAMBDA_INITIALIZATION_TYPE": kind}
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environ, check=True, timeout=30)


def test_the_lambdas_entry_answers_with_settings_from_the_environment() -> None:
    assert handler({"op": "describe"}, None)["model"] == "lite-1+d2"


def test_a_text_query_pays_for_neither_pillow_nor_the_vision_graph(tmp_path: Path) -> None:
    script = """
import sys
from embedder_container.handler import _embedder, handler
handler({"op": "embed_texts", "texts": ["an owl"]}, None)
assert "PIL" not in sys.modules
assert _embedder().model._vision is None
"""
    # From another directory: a Lambda's working directory is not ours to choose.
    subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, check=True, timeout=30)


@pytest.mark.parametrize(
    ("environ", "threads"),
    [
        ({"EMBEDDER_THREADS": "7"}, 7),
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512"}, 1),
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769"}, 1),
        ({"EMBEDDER_THREADS": "0"}, 1),
    ],
)
def test_threads_follow_the_lambdas_memory(environ: dict[str, str], threads: int) -> None:
    assert Settings.from_environ(environ).threads == threads
