"""Finding pictures by text, by picture, or by a file that is known already."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.embeddings import QueryVector, ReadFailure, unreadable_picture
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.files import FileRecord
from chalicelib.domain.image_files import check_inline_size
from chalicelib.domain.vectors import Hit, SearchOptions, VectorQuery
from chalicelib.services.ports import Embedder, VectorStore

QUERY_LIMIT = 1_000  # characters; every text model here reads less than that


@dataclass(frozen=True, slots=True)
class SearchPage:
    """A page of hits, and whether there are more behind it."""

    hits: Sequence[Hit]
    more: bool


@dataclass(frozen=True, slots=True)
class SearchService:
    embedder: Embedder
    vectors: VectorStore

    def by_text(self, account: str, query: str | None, wanted: SearchOptions) -> SearchPage:
        """The account's pictures nearest to a text.

        Raises:
            InvalidRequest: no text, a blank one, or more than 1,000 characters.
        """
        if query is None or not query.strip():
            raise InvalidRequest("Say what to look for in the parameter 'query'.", field="query")
        if len(query) > QUERY_LIMIT:
            raise InvalidRequest(f"A query has at most {QUERY_LIMIT:,} characters.", field="query")
        return self._nearest(account, self.embedder.embed_text(query), wanted)

    def by_image(self, account: str, image: bytes, wanted: SearchOptions) -> SearchPage:
        """The account's pictures nearest to a picture.

        Raises:
            UnreadablePicture: the bytes are no picture.
            PayloadTooLarge: they are more than fits through the API.
        """
        check_inline_size(image)
        picture = self.embedder.embed_image(image)
        if isinstance(picture, ReadFailure):
            raise unreadable_picture(picture)
        return self._nearest(account, QueryVector(picture.model, picture.vector), wanted)

    def like(self, record: FileRecord, wanted: SearchOptions) -> SearchPage:
        """The account's pictures nearest to an indexed file, without the file itself."""
        assert record.embedding is not None
        embedding = QueryVector(record.embedding.model, record.embedding.vector)
        return self._nearest(record.account, embedding, wanted, without=record.uuid)

    def _nearest(
        self, account: str, embedding: QueryVector, wanted: SearchOptions, without: str | None = None
    ) -> SearchPage:
        # One more tells whether there is a next page, and one more yet makes up for the one that is left out.
        limit = wanted.limit + 1 + (without is not None)
        query = VectorQuery(
            account=account, vector=embedding.vector, model=embedding.model, options=replace(wanted, limit=limit)
        )
        hits = [hit for hit in self.vectors.search(query) if hit.uuid != without]
        return SearchPage(hits[: wanted.limit], more=len(hits) > wanted.limit)
