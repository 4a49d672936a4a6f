"""Finding pictures by text, by picture, or by a file that is known already."""

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.domain.errors import EmbedderUnavailable, InvalidRequest, PayloadTooLarge, UnreadablePicture
from chalicelib.domain.files import FileRecord
from chalicelib.domain.pictures import INLINE_LIMIT
from chalicelib.domain.vectors import Hit, VectorQuery, VectorStore
from chalicelib.services.ports import Embedder, Embedding, Failure

QUERY_LIMIT = 1_000  # characters; every text model here reads less than that


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of the answer: the fields of ``VectorQuery`` that a caller may choose."""

    limit: int
    collections: tuple[str, ...] | None = None
    max_distance: float | None = None
    after: tuple[float, str] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A page of hits, and whether there are more behind it."""

    hits: Sequence[Hit]
    more: bool


@dataclass(frozen=True, slots=True)
class Search:
    embedder: Embedder
    vectors: VectorStore

    def by_text(self, account: str, query: str | None, wanted: Wanted) -> Found:
        """The account's pictures nearest to a text.

        Raises:
            InvalidRequest: no text, a blank one, or more than 1,000 characters.
        """
        if query is None or not query.strip():
            raise InvalidRequest("Say what to look for in the parameter 'query'.", field="query")
        if len(query) > QUERY_LIMIT:
            raise InvalidRequest(f"A query has at most {QUERY_LIMIT:,} characters.", field="query")
        return self._nearest(account, self.embedder.embed_text(query), wanted)

    def by_image(self, account: str, image: bytes, wanted: Wanted) -> Found:
        """The account's pictures nearest to a picture.

        Raises:
            UnreadablePicture: the bytes are no picture.
            PayloadTooLarge: they are more than fits through the API.
        """
        check_size(image)
        picture = self.embedder.embed_image(image)
        if isinstance(picture, Failure):
            raise refusal(picture)
        return self._nearest(account, Embedding(picture.model, picture.vector), wanted)

    def like(self, record: FileRecord, wanted: Wanted) -> Found:
        """The account's pictures nearest to an indexed file, without the file itself."""
        assert record.picture is not None
        embedding = Embedding(record.picture.model, record.picture.vector)
        return self._nearest(record.account, embedding, wanted, without=record.uuid)

    def _nearest(self, account: str, embedding: Embedding, wanted: Wanted, without: str | None = None) -> Found:
        # One more tells whether there is a next page, and one more yet makes up for the one that is left out.
        limit = wanted.limit + 1 + (without is not None)
        query = VectorQuery(
            account, embedding.vector, embedding.model, limit, wanted.collections, wanted.max_distance, wanted.after
        )
        hits = [hit for hit in self.vectors.search(query) if hit.uuid != without]
        return Found(hits[: wanted.limit], more=len(hits) > wanted.limit)


def check_size(image: bytes) -> None:
    if not image:
        raise InvalidRequest("The file is empty.", field="file")
    if len(image) > INLINE_LIMIT:
        raise PayloadTooLarge(
            f"The picture has {len(image):,} bytes; {INLINE_LIMIT:,} fit through this endpoint. Send a smaller one, or "
            "upload a file of up to 20 MiB in two steps: ask with JSON first.",
            field="file",
        )


def refusal(failure: Failure) -> Exception:
    """The error that tells a caller why their picture could not be read."""
    if failure.transient:
        return EmbedderUnavailable("The picture could not be processed just now. Try again in a moment.")
    return UnreadablePicture(f"The file could not be read as a picture: {failure.message}", field="file")
