"""Finding pictures by text or by picture."""

from collections.abc import Sequence
from dataclasses import dataclass

from chalicelib.domain.errors import EmbedderUnavailable, InvalidRequest, PayloadTooLarge, UnreadablePicture
from chalicelib.domain.pictures import INLINE_LIMIT
from chalicelib.domain.vectors import Hit, VectorQuery, VectorStore
from chalicelib.services.ports import Embedder, Failure

QUERY_LIMIT = 1_000  # characters; every text model here reads less than that


@dataclass(frozen=True, slots=True)
class Search:
    embedder: Embedder
    vectors: VectorStore

    def by_text(self, account: str, query: str | None, *, limit: int) -> Sequence[Hit]:
        """The account's pictures nearest to a text.

        Raises:
            InvalidRequest: no text, a blank one, or more than 1,000 characters.
        """
        if query is None or not query.strip():
            raise InvalidRequest("Say what to look for in the parameter 'query'.", field="query")
        if len(query) > QUERY_LIMIT:
            raise InvalidRequest(f"A query has at most {QUERY_LIMIT:,} characters.", field="query")
        embedding = self.embedder.embed_text(query)
        return self.vectors.search(VectorQuery(account, embedding.vector, embedding.model, limit))

    def by_image(self, account: str, image: bytes, *, limit: int) -> Sequence[Hit]:
        """The account's pictures nearest to a picture.

        Raises:
            UnreadablePicture: the bytes are no picture.
            PayloadTooLarge: they are more than fits through the API.
        """
        check_size(image)
        picture = self.embedder.embed_image(image)
        if isinstance(picture, Failure):
            raise refusal(picture)
        return self.vectors.search(VectorQuery(account, picture.vector, picture.model, limit))


def check_size(image: bytes) -> None:
    if not image:
        raise InvalidRequest("The file is empty.", field="file")
    if len(image) > INLINE_LIMIT:
        raise PayloadTooLarge(
            f"The picture has {len(image):,} bytes; {INLINE_LIMIT:,} fit through this endpoint. Send a smaller one.",
            field="file",
        )


def refusal(failure: Failure) -> Exception:
    """The error that tells a caller why their picture could not be read."""
    if failure.transient:
        return EmbedderUnavailable("The picture could not be processed just now. Try again in a moment.")
    return UnreadablePicture(f"The file could not be read as a picture: {failure.message}", field="file")
