"""The embedder's wire: one Lambda function, invoked and waited for."""

import base64
import json
import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.embeddings import ImageEmbedding, ObjectToEmbed, QueryVector, ReadFailure
from chalicelib.domain.errors import EmbedderUnavailable

if TYPE_CHECKING:
    from types_boto3_lambda.client import LambdaClient

MODEL_VERSION_CACHE_SECONDS = (
    60  # for which the stamp is taken as known; a sync after a new deployment is never so soon
)


class LambdaEmbedder:
    def __init__(self, client: "LambdaClient", function: str) -> None:
        self._client = client
        self._function = function
        self._model: tuple[float, str] | None = None

    def embed_text(self, text: str) -> QueryVector:
        answer = self._invoke({"op": "embed_texts", "texts": [text]})
        return QueryVector(answer["model"], base64.b64decode(answer["results"][0]["vector"]))

    def embed_image(self, image: bytes) -> ImageEmbedding | ReadFailure:
        answer = self._invoke({"op": "embed_image", "image": base64.b64encode(image).decode()})
        return _result(answer["model"], answer["results"][0])

    def embed_objects(self, objects: Sequence[ObjectToEmbed]) -> list[ImageEmbedding | ReadFailure]:
        wanted = [{"url": o.url, "thumbnail_url": o.thumbnail_url} for o in objects]
        answer = self._invoke({"op": "embed_objects", "objects": wanted})
        return [_result(answer["model"], result) for result in answer["results"]]

    def model_version(self) -> str:
        asked, stamp = self._model or (-math.inf, "")
        if time.monotonic() - asked > MODEL_VERSION_CACHE_SECONDS:
            stamp = self._invoke({"op": "describe"})["model"]
            self._model = time.monotonic(), stamp
        return stamp

    def _invoke(self, event: dict[str, Any]) -> Any:
        try:
            answer = self._client.invoke(FunctionName=self._function, Payload=json.dumps(event).encode())
            payload = answer["Payload"].read()
        except (ClientError, BotoCoreError) as error:
            raise EmbedderUnavailable("The model is not available just now. Try again in a moment.") from error
        if answer.get("FunctionError"):
            cause = RuntimeError(payload.decode(errors="replace")[:2000])
            raise EmbedderUnavailable("The model did not answer. Try again in a moment.") from cause
        return json.loads(payload)


def _result(model: str, result: dict[str, Any]) -> ImageEmbedding | ReadFailure:
    if "error" in result:
        error = result["error"]
        return ReadFailure(error["code"], error["message"], bool(error.get("transient", False)))
    return ImageEmbedding(
        model=model,
        vector=base64.b64decode(result["vector"]),
        size=result["size"],
        md5=result["md5"],
        width=result["width"],
        height=result["height"],
        format=result["format"],
    )
