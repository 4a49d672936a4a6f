"""The Lambda's entry: one event in, one answer out.

    {"op": "embed_texts", "texts": [TEXT, …]}
    {"op": "embed_image", "image": BASE64}
    {"op": "embed_objects", "objects": [{"url": PRESIGNED_GET, "thumbnail_url": PRESIGNED_PUT or null}, …]}
    {"op": "describe"}
    {"op": "warm"}

    → {"model": "lite-1+d2", "dimension": 512, "results": [RESULT, …], "timings": {"total_ms": …, "inference_ms": …, …}}

RESULT is `{"vector": base64 of little-endian float32, unit length}`, for pictures with `size`, `md5`, `width`, `height`
and `format`; or `{"error": {"code", "message", "transient"}}`, which concerns that item alone. A transient error may
vanish when the item is tried again; any other is the item's own fault. Any other event raises ValueError.
"""

import base64
import binascii
import functools
import json
import os
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from embedder_container.decoder_pool import DecoderPool
from embedder_container.embedder import Embedder
from embedder_container.inference import Model
from embedder_container.models import ModelDescription, load_description
from embedder_container.settings import Settings
from embedder_container.tasks import ObjectToEmbed, Result, Timings
from embedder_container.transfer import Transfers


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Answer one invocation; see the module's own words for both shapes."""
    return answer(event, _embedder(), request_id=getattr(context, "aws_request_id", None))


def answer(event: Any, embedder: Embedder, request_id: str | None = None) -> dict[str, Any]:
    """Answer one event with the given embedder, and log one line of JSON about it."""
    start = time.perf_counter()
    watch = Timings()
    op, results = _dispatch(event, embedder, watch)
    timings = {"inference_ms": 0.0} | watch.milliseconds() | {"total_ms": round((time.perf_counter() - start) * 1e3, 3)}
    codes = Counter(result["error"]["code"] for result in results if "error" in result)
    card = embedder.model.card
    line = {
        "service": "embedder",
        "request_id": request_id,
        "model": card.model_version,
        "op": op,
        "count": len(results),
        "errors": codes.total(),
        "codes": codes,
        **timings,
    }
    print(json.dumps(line), flush=True)
    return {"model": card.model_version, "dimension": card.dimension, "results": results, "timings": timings}


def build(settings: Settings) -> Embedder:
    """Put an embedder together; nothing heavy loads yet."""
    return assemble(load_description(settings.models_dir, settings.model), settings)


def assemble(card: ModelDescription, settings: Settings) -> Embedder:
    """Put an embedder of a given model together."""
    if settings.exact:
        card = replace(card, image=replace(card.image, exact=True))
    decoders = DecoderPool(card.image, settings.threads)
    return Embedder(Model(card, settings.threads), Transfers(settings.endpoint), decoders, settings.threads)


@functools.cache
def _embedder() -> Embedder:
    """The process's embedder, made at the first event and kept while the Lambda is warm."""
    return build(Settings.from_environ(os.environ))


def _prepare(environ: Mapping[str, str]) -> None:
    """Load the model before the first event where that is paid for: provisioned instances are kept ready to be so."""
    if environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "provisioned-concurrency":
        handler({"op": "warm"}, None)


def _dispatch(event: Any, embedder: Embedder, watch: Timings) -> tuple[str, list[Result]]:
    if not isinstance(event, dict):
        raise ValueError("the event must be an object with an 'op'")
    match event.get("op"):
        case "embed_texts" as op:
            return op, embedder.embed_texts(_texts(event), watch)
        case "embed_image" as op:
            return op, [embedder.embed_image(_image(event), watch)]
        case "embed_objects" as op:
            return op, embedder.embed_objects(_objects(event), watch)
        case "describe" as op:
            return op, []
        case "warm" as op:
            embedder.warm(watch)
            return op, []
        case op:
            raise ValueError(f"unknown op {op!r}: use embed_texts, embed_image, embed_objects, describe or warm")


def _texts(event: dict[str, Any]) -> list[str]:
    texts = event.get("texts")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("'texts' must be a list of strings")
    return texts


def _image(event: dict[str, Any]) -> bytes:
    image = event.get("image")
    if not isinstance(image, str):
        raise ValueError("'image' must be a string of base64")
    try:
        return base64.b64decode(image, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"'image' must be a string of base64: {error}") from error


def _objects(event: dict[str, Any]) -> list[ObjectToEmbed]:
    objects = event.get("objects")
    if not isinstance(objects, list):
        raise ValueError("'objects' must be a list")
    return [_object(each) for each in objects]


def _object(each: Any) -> ObjectToEmbed:
    url = each.get("url") if isinstance(each, dict) else None
    thumbnail_url = each.get("thumbnail_url") if isinstance(each, dict) else None
    if not isinstance(url, str) or not (thumbnail_url is None or isinstance(thumbnail_url, str)):
        raise ValueError("each of 'objects' must have a 'url' and may have a 'thumbnail_url', both strings")
    return ObjectToEmbed(url, thumbnail_url)


_prepare(os.environ)
