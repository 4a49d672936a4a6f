"""Ports of the model."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from chalicelib.domain.calibration import Calibration, CalibrationAttempt
from chalicelib.domain.embeddings import ImageEmbedding, KnownImage, ObjectToEmbed, QueryVector, ReadFailure
from chalicelib.domain.thumbnails import ThumbnailToMake


class EmbeddingStash(Protocol):
    """Embeddings whose records could not be saved, by ``files.content_key``, for a day."""

    def put(self, images: Mapping[str, KnownImage], now: datetime) -> None: ...
    def get(self, content_keys: Sequence[str]) -> dict[str, KnownImage]: ...


class Embedder(Protocol):
    """Raises EmbedderUnavailable when the model cannot be reached or fails."""

    def embed_texts(self, texts: Sequence[str]) -> list[QueryVector | ReadFailure]:
        """Return the vector of each text, in order, all of one model version; or why the model does not read it."""

    def embed_image(self, image: bytes) -> ImageEmbedding | ReadFailure: ...
    def embed_objects(self, objects: Sequence[ObjectToEmbed]) -> list[ImageEmbedding | ReadFailure]: ...
    def make_thumbnail(self, thumbnail: ThumbnailToMake) -> ReadFailure | None:
        """Make a thumbnail and upload it; returns why that was not possible, else None."""

    def model_version(self) -> str:
        """Return the model version of new embeddings; may lag behind by a minute."""

    def model_calibration(self) -> Calibration | None:
        """Return the statistics that the model ships with, if it has any."""


class QueryEmbedder(Protocol):
    """Embeds what an account searches for; raises as ``Embedder`` does."""

    def embed_texts(self, account: str, texts: Sequence[str]) -> list[QueryVector | ReadFailure]: ...
    def embed_image(self, image: bytes) -> ImageEmbedding | ReadFailure: ...
    def embed_objects(self, urls: Sequence[str]) -> list[ImageEmbedding | ReadFailure]:
        """Embed the objects that presigned URLs serve, without thumbnails."""


class Calibrations(Protocol):
    """The statistics of accounts' own pictures, by model version. A read may lag behind by seconds."""

    def read(self, account: str, model: str) -> Calibration | None: ...
    def write(self, account: str, calibration: Calibration, now: datetime) -> None:
        """Replace the account's calibration of that model version; raises NotFound if the account is deleted."""

    def attempt(self, account: str, model: str) -> CalibrationAttempt | None:
        """Return the latest attempt to calibrate the account under the model version."""

    def write_attempt(self, account: str, model: str, attempt: CalibrationAttempt) -> None:
        """Replace that attempt; raises NotFound if the account is deleted."""
