"""Malformed events are refused, and events without items return at once."""

from typing import Any

import pytest

from embedder_container import DECODE_VERSION
from embedder_container.embedder import Embedder
from embedder_container.handler import handle_event, handler
from embedder_container.settings import Settings


def test_describe_returns_the_model_version_and_loads_nothing(unloaded_embedder: Embedder) -> None:
    response = handle_event({"op": "describe"}, unloaded_embedder)
    assert (response["model"], response["dimension"], response["results"]) == (f"lite-1+d{DECODE_VERSION}", 512, [])
    assert set(response["timings"]) == {"inference_ms", "total_ms"}
    assert unloaded_embedder.model._text is None
    assert unloaded_embedder.model._vision is None


def test_the_lambdas_entry_point_takes_its_settings_from_the_environment() -> None:
    assert handler({"op": "describe"}, None)["model"] == f"lite-1+d{DECODE_VERSION}"


@pytest.mark.parametrize("event", [{"op": "embed_texts", "texts": []}, {"op": "embed_objects", "objects": []}])
def test_an_empty_list_has_no_results(unloaded_embedder: Embedder, event: dict[str, Any]) -> None:
    assert handle_event(event, unloaded_embedder)["results"] == []


@pytest.mark.parametrize(
    ("event", "message"),
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
        ({"op": "make_thumbnail", "url": "https://a", "side": 256}, "'thumbnail_url'"),
        ({"op": "make_thumbnail", "url": "https://a", "thumbnail_url": "https://a", "side": 0}, "'side'"),
        ({"op": "make_thumbnail", "url": "https://a", "thumbnail_url": "https://a", "side": 4096}, "'side'"),
    ],
)
def test_a_malformed_event_fails_with_a_clear_message(unloaded_embedder: Embedder, event: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        handle_event(event, unloaded_embedder)


@pytest.mark.parametrize(
    ("environ", "threads"),
    [
        ({"EMBEDDER_THREADS": "7"}, 7),
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512"}, 1),
        ({"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "1769"}, 1),
        ({"EMBEDDER_THREADS": "0"}, 1),
    ],
)
def test_the_number_of_threads_follows_the_lambdas_memory(environ: dict[str, str], threads: int) -> None:
    assert Settings.from_environ(environ).threads == threads
