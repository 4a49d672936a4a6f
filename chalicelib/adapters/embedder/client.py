"""The client of the embedder: one Lambda function, invoked synchronously."""

import base64
import json
import math
import time
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.calibration import Calibration
from chalicelib.domain.embeddings import ImageEmbedding, ObjectToEmbed, QueryVector, ReadFailure
from chalicelib.domain.errors import EmbedderEnded, EmbedderUnavailable
from chalicelib.domain.thumbnails import ThumbnailToMake

if TYPE_CHECKING:
    from types_boto3_lambda.client import LambdaClient

MODEL_VERSION_CACHE_SECONDS = 60  # no sync starts so soon after a deployment of another model
MAX_CAUSE_CHARACTERS = 2000  # of the function's error, for the log
# The types that Lambda gives to the end of a function's process (an exception has its class or another Runtime.…):
# https://docs.aws.amazon.com/lambda/latest/dg/troubleshooting-invocation.html, and Lambda's own responses in
# https://github.com/floci-io/floci/issues/3314. A time-out had no type formerly.
ENDED_TYPES = ("Runtime.ExitError", "Runtime.OutOfMemory", "Sandbox.Timedout")
TIMED_OUT = "Task timed out after"


class LambdaEmbedder:
    def __init__(self, client: "LambdaClient", function: str) -> None:
        self._client = client
        self._function = function
        self._model: tuple[float, str] | None = None  # when it was read, and the model version

    def embed_texts(self, texts: Sequence[str]) -> list[QueryVector | ReadFailure]:
        response = self._invoke({"op": "embed_texts", "texts": list(texts)})
        model = response["model"]
        return [
            _failure(result["error"]) if "error" in result else QueryVector(model, base64.b64decode(result["vector"]))
            for result in response["results"]
        ]

    def embed_image(self, image: bytes) -> ImageEmbedding | ReadFailure:
        response = self._invoke({"op": "embed_image", "image": base64.b64encode(image).decode()})
        return _result(response["model"], response["results"][0])

    def embed_objects(self, objects: Sequence[ObjectToEmbed]) -> list[ImageEmbedding | ReadFailure]:
        urls = [{"url": o.url, "thumbnail_url": o.thumbnail_url} for o in objects]
        response = self._invoke({"op": "embed_objects", "objects": urls})
        return [_result(response["model"], result) for result in response["results"]]

    def make_thumbnail(self, thumbnail: ThumbnailToMake) -> ReadFailure | None:
        (result,) = self._invoke(
            {
                "op": "make_thumbnail",
                "url": thumbnail.url,
                "thumbnail_url": thumbnail.upload_url,
                "side": int(thumbnail.size),
                "md5": thumbnail.md5,
            }
        )["results"]
        return _failure(result["error"]) if "error" in result else None

    def model_version(self) -> str:
        read_at, version = self._model or (-math.inf, "")
        if time.monotonic() - read_at > MODEL_VERSION_CACHE_SECONDS:
            version = self._invoke({"op": "describe"})["model"]
            self._model = time.monotonic(), version
        return version

    def model_calibration(self) -> Calibration | None:
        text = self._invoke({"op": "describe"}).get("calibration")
        return Calibration.from_json(text) if text else None

    def _invoke(self, event: dict[str, Any]) -> Any:
        try:
            response = self._client.invoke(FunctionName=self._function, Payload=json.dumps(event).encode())
            payload = response["Payload"].read()
        except (ClientError, BotoCoreError) as error:
            raise EmbedderUnavailable("The model is not available just now. Try again in a moment.") from error
        if response.get("FunctionError"):
            text = payload.decode(errors="replace")
            error_class = EmbedderEnded if _is_end(text) else EmbedderUnavailable
            raise error_class("The model failed. Try again in a moment.") from RuntimeError(text[:MAX_CAUSE_CHARACTERS])
        return json.loads(payload)


def _is_end(payload: str) -> bool:
    """Whether a function's error is the end of its process, and no exception of its code."""
    try:
        error = json.loads(payload)
    except ValueError:
        return False
    if not isinstance(error, dict):
        return False
    return error.get("errorType") in ENDED_TYPES or TIMED_OUT in str(error.get("errorMessage"))


def _failure(error: dict[str, Any]) -> ReadFailure:
    return ReadFailure(error["code"], error["message"], bool(error.get("transient", False)))


def _result(model: str, result: dict[str, Any]) -> ImageEmbedding | ReadFailure:
    if "error" in result:
        return _failure(result["error"])
    return ImageEmbedding(
        model=model,
        vector=base64.b64decode(result["vector"]),
        size=result["size"],
        md5=result["md5"],
        width=result["width"],
        height=result["height"],
        format=result["format"],
        taken=datetime.fromisoformat(result["taken"]) if result.get("taken") else None,
        perceptual_hash=result.get("perceptual_hash"),
    )
