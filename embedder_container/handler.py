"""The Lambda function's entry point: one event in, one response out.

    {"op": "embed_texts", "texts": [TEXT, …]}
    {"op": "embed_image", "image": BASE64}
    {"op": "embed_objects", "objects": [{"url": PRESIGNED_GET, "thumbnail_url": PRESIGNED_PUT or null}, …]}
    {"op": "make_thumbnail", "url": PRESIGNED_GET, "thumbnail_url": PRESIGNED_PUT, "side": PIXELS, "md5": HEX or null}
    {"op": "describe"}
    {"op": "warm"}

    → {"model": "lite-1+d3", "dimension": 512, "results": [RESULT, …], "timings": {"total_ms": …, "inference_ms": …, …}}

The response to `describe` also has `calibration`, the statistics that the model ships with, as a text or null.

RESULT is `{"vector": base64 of little-endian float32, unit length}`, for images with `size`, `md5`, `width`, `height`,
`format`, `taken` (EXIF's time in ISO 8601, or null) and `perceptual_hash` (16 hexadecimal digits), for thumbnails
nothing more than `{}`; or `{"error": {"code", "message", "transient"}}`, which concerns that item alone. A transient
error may vanish when the item is tried again; any other is the item's own fault. Any other event raises ValueError.
"""

import base64
import binascii
import functools
import json
import logging
import math
import os
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from embedder_container import confinement, limits
from embedder_container.decode_memory import DecodeMemory
from embedder_container.decoder_pool import DecoderPool
from embedder_container.embedder import Embedder
from embedder_container.inference import Model
from embedder_container.models import ModelDescription, load_description
from embedder_container.servers import Servers
from embedder_container.settings import Settings
from embedder_container.tasks import ObjectToEmbed, Result, ThumbnailToMake, Timings
from embedder_container.transfer import Transfers

logger = logging.getLogger(__name__)


def handler(event: Any, context: Any) -> dict[str, Any]:
    """Handle one invocation; the module's docstring has the shapes of event and response."""
    milliseconds_left = getattr(context, "get_remaining_time_in_millis", lambda: math.inf)
    deadline = time.monotonic() + milliseconds_left() / 1e3 - limits.RESERVED_SECONDS
    return handle_event(event, _embedder(), getattr(context, "aws_request_id", None), deadline)


def handle_event(
    event: Any, embedder: Embedder, request_id: str | None = None, deadline: float = math.inf
) -> dict[str, Any]:
    """Handle one event with the given embedder, and log one line of JSON about it.

    Images that are not embedded at the deadline (monotonic clock) are POSTPONED, which is a transient error.
    """
    start = time.perf_counter()
    timings = Timings()
    op, results = _dispatch(event, embedder, timings, deadline)
    total = {"total_ms": round((time.perf_counter() - start) * 1e3, 3)}
    milliseconds = {"inference_ms": 0.0} | timings.milliseconds() | total
    codes = Counter(result["error"]["code"] for result in results if "error" in result)
    description = embedder.model.description
    line = {
        "service": "embedder",
        "request_id": request_id,
        "model": description.model_version,
        "op": op,
        "count": len(results),
        "errors": codes.total(),
        "codes": codes,
        **milliseconds,
    }
    print(json.dumps(line), flush=True)
    return {
        "model": description.model_version,
        "dimension": description.dimension,
        "results": results,
        "timings": milliseconds,
        **({"calibration": description.calibration()} if op == "describe" else {}),
    }


def embedder_from_settings(settings: Settings) -> Embedder:
    """Create the embedder of the model that the settings name; nothing heavy loads yet."""
    return create_embedder(load_description(settings.models_dir, settings.model), settings)


def create_embedder(description: ModelDescription, settings: Settings) -> Embedder:
    """Create the embedder of a model; nothing heavy loads yet."""
    if settings.full_decode:
        description = replace(description, image=replace(description.image, full_decode=True))
    model = Model(description, settings.threads)
    memory = DecodeMemory(settings.memory_mb * 1024**2, model.memory_bytes, settings.threads)
    decoders = DecoderPool(description.image, settings.threads, memory=memory)
    transfers = Transfers(settings.endpoint, servers=Servers(is_local=settings.local_servers))
    return Embedder(model, transfers, decoders, settings.threads)


@functools.cache
def _embedder() -> Embedder:
    """Return the process's embedder, created at the first event and kept while the Lambda is warm."""
    try:
        confinement.forbid_inspection()
    except OSError as error:
        logger.warning("other processes of this user may inspect the embedder: %s", error)
    return embedder_from_settings(Settings.from_environ(os.environ))


def _warm_if_provisioned(environ: Mapping[str, str]) -> None:
    """Load the model before the first event on a provisioned instance, which is paid for so that it is ready."""
    if environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "provisioned-concurrency":
        handler({"op": "warm"}, None)


def _dispatch(event: Any, embedder: Embedder, timings: Timings, deadline: float) -> tuple[str, list[Result]]:
    """Return the event's op and the results of its items."""
    if not isinstance(event, dict):
        raise ValueError("the event must be an object with an 'op'")
    match event.get("op"):
        case "embed_texts" as op:
            return op, embedder.embed_texts(_parse_texts(event), timings)
        case "embed_image" as op:
            return op, [embedder.embed_image(_parse_image(event), timings, deadline)]
        case "embed_objects" as op:
            return op, embedder.embed_objects(_parse_objects(event), timings, deadline)
        case "make_thumbnail" as op:
            return op, [embedder.make_thumbnail(_parse_thumbnail(event), timings, deadline)]
        case "describe" as op:
            return op, []
        case "warm" as op:
            embedder.warm(timings)
            return op, []
        case op:
            raise ValueError(
                f"unknown op {op!r}: use embed_texts, embed_image, embed_objects, make_thumbnail, describe or warm"
            )


def _parse_texts(event: dict[str, Any]) -> list[str]:
    texts = event.get("texts")
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("'texts' must be a list of strings")
    return texts


def _parse_image(event: dict[str, Any]) -> bytes:
    image = event.get("image")
    if not isinstance(image, str):
        raise ValueError("'image' must be a string of base64")
    try:
        return base64.b64decode(image, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"'image' must be a string of base64: {error}") from error


def _parse_objects(event: dict[str, Any]) -> list[ObjectToEmbed]:
    objects = event.get("objects")
    if not isinstance(objects, list):
        raise ValueError("'objects' must be a list")
    return [_parse_object(fields) for fields in objects]


def _parse_object(fields: Any) -> ObjectToEmbed:
    url = fields.get("url") if isinstance(fields, dict) else None
    thumbnail_url = fields.get("thumbnail_url") if isinstance(fields, dict) else None
    if not isinstance(url, str) or not (thumbnail_url is None or isinstance(thumbnail_url, str)):
        raise ValueError("each of 'objects' must have a 'url' and may have a 'thumbnail_url', both strings")
    return ObjectToEmbed(url, thumbnail_url)


def _parse_thumbnail(event: dict[str, Any]) -> ThumbnailToMake:
    match event:
        case {"url": str() as url, "thumbnail_url": str() as thumbnail_url, "side": int() as side} if (
            1 <= side <= limits.LARGEST_THUMBNAIL_SIDE
        ):
            md5 = event.get("md5")
            return ThumbnailToMake(url, thumbnail_url, side, str(md5) if md5 is not None else None)
    raise ValueError(
        f"'make_thumbnail' takes a 'url', a 'thumbnail_url' and a 'side' of 1 to {limits.LARGEST_THUMBNAIL_SIDE} pixels"
    )


_warm_if_provisioned(os.environ)
