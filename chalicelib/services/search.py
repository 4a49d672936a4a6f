"""Searches an account's pictures by text, by picture, or by an indexed file."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.embeddings import QueryVector, ReadFailure, unreadable_picture
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.files import FileRecord
from chalicelib.domain.image_files import check_inline_size
from chalicelib.domain.vectors import Hit, SearchOptions, VectorQuery
from chalicelib.services.ports import QueryEmbedder, VectorStore

QUERY_LIMIT = 1_000  # characters; every text model of the registry reads fewer


@dataclass(frozen=True, slots=True)
class SearchPage:
    """A page of hits, and whether another page follows."""

    hits: Sequence[Hit]
    has_more: bool


@dataclass(frozen=True, slots=True)
class SearchService:
    embedder: QueryEmbedder
    vectors: VectorStore

    def by_text(self, account: str, query: str | None, options: SearchOptions) -> SearchPage:
        """The account's pictures nearest to a text.

        Raises:
            InvalidRequest: the text is missing, blank, or longer than 1,000 characters.
        """
        if query is None or not query.strip():
            raise InvalidRequest("Give the text to search for in the parameter 'query'.", field="query")
        if len(query) > QUERY_LIMIT:
            raise InvalidRequest(f"A query has at most {QUERY_LIMIT:,} characters.", field="query")
        return self._nearest(account, self.embedder.embed_text(account, query), options)

    def by_image(self, account: str, image: bytes, options: SearchOptions) -> SearchPage:
        """The account's pictures nearest to a picture.

        Raises:
            UnreadablePicture: the bytes are not a picture.
            PayloadTooLarge: they exceed what the API takes in one request.
        """
        check_inline_size(image)
        picture = self.embedder.embed_image(image)
        if isinstance(picture, ReadFailure):
            raise unreadable_picture(picture)
        return self._nearest(account, QueryVector(picture.model, picture.vector), options)

    def by_file(self, record: FileRecord, options: SearchOptions) -> SearchPage:
        """The account's pictures nearest to an indexed file, without the file itself."""
        assert record.embedding is not None
        embedding = QueryVector(record.embedding.model, record.embedding.vector)
        return self._nearest(record.account, embedding, options, without=record.uuid)

    def _nearest(
        self, account: str, vector: QueryVector, options: SearchOptions, without: str | None = None
    ) -> SearchPage:
        # One more tells whether there is a next page, and one more yet makes up for the one that is left out.
        limit = options.limit + 1 + (without is not None)
        query = VectorQuery(
            account=account, vector=vector.vector, model=vector.model, options=replace(options, limit=limit)
        )
        hits = [hit for hit in self.vectors.search(query) if hit.uuid != without]
        return SearchPage(hits[: options.limit], has_more=len(hits) > options.limit)
