"""The embedder's wire: one Lambda function, invoked and waited for."""

import base64
import json
import math
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import EmbedderUnavailable
from chalicelib.domain.files import Picture
from chalicelib.services.ports import Embedding, Failure, ObjectToEmbed

if TYPE_CHECKING:
    from types_boto3_lambda.client import LambdaClient

MODEL_SECONDS = 60  # for which the stamp is taken as known; a sync after a new deployment is never so soon


class LambdaEmbedder:
    def __init__(self, client: "LambdaClient", function: str) -> None:
        self._client = client
        self._function = function
        self._model: tuple[float, str] | None = None

    def embed_text(self, text: str) -> Embedding:
        answer = self._invoke({"op": "embed_texts", "texts": [text]})
        return Embedding(answer["model"], base64.b64decode(answer["results"][0]["vector"]))

    def embed_image(self, image: bytes) -> Picture | Failure:
        answer = self._invoke({"op": "embed_image", "image": base64.b64encode(image).decode()})
        return _result(answer["model"], answer["results"][0])

    def embed_objects(self, objects: Sequence[ObjectToEmbed]) -> list[Picture | Failure]:
        wanted = [{"url": o.url, "thumbnail_url": o.thumbnail_url} for o in objects]
        answer = self._invoke({"op": "embed_objects", "objects": wanted})
        return [_result(answer["model"], result) for result in answer["results"]]

    def model(self) -> str:
        asked, stamp = self._model or (-math.inf, "")
        if time.monotonic() - asked > MODEL_SECONDS:
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


def _result(model: str, result: dict[str, Any]) -> Picture | Failure:
    if "error" in result:
        error = result["error"]
        return Failure(error["code"], error["message"], bool(error.get("transient", False)))
    return Picture(
        model=model,
        vector=base64.b64decode(result["vector"]),
        size=result["size"],
        md5=result["md5"],
        width=result["width"],
        height=result["height"],
        format=result["format"],
    )
