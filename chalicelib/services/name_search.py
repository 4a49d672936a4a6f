"""Searches an account's files by the words of their names, alone or together with what their pictures show."""

from dataclasses import dataclass, replace

from chalicelib.domain.composition import check_query_text
from chalicelib.domain.embeddings import QueryVector
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.file_queries import MAX_WORDS, FilePosition, FileQuery, FoundFile, Order
from chalicelib.domain.fusion import fuse
from chalicelib.domain.name_words import query_words
from chalicelib.domain.vectors import Hit, SearchOptions, VectorQuery, cosine_distance
from chalicelib.services.ports import QueryEmbedder, VectorStore

FUSION_DEPTH = 200  # files of each ranking that are fused: all that a fused search returns


@dataclass(frozen=True, slots=True)
class NamePage:
    """A page of hits, and where the next one begins; None says there is none."""

    hits: list[Hit]
    after: FilePosition | None


@dataclass(frozen=True, slots=True)
class FusedPage:
    """A page of hits, and whether another page follows."""

    hits: list[Hit]
    has_more: bool


@dataclass(frozen=True, slots=True)
class NameSearchService:
    """Each hit has the distance of its picture from the text, whatever it was found by."""

    embedder: QueryEmbedder
    vectors: VectorStore

    def by_name(self, account: str, text: str, options: SearchOptions, after: FilePosition | None) -> NamePage:
        """The files whose names match every word of a text, the best first.

        Raises:
            InvalidRequest: the text is blank, too long, or has no word.
        """
        embedded = self._embed(account, text)
        query = replace(_name_query(account, embedded, text, options), limit=options.limit + 1, after=after)
        if not query.words:
            raise InvalidRequest("query has no letter and no digit to find in a name.", field="query")
        found = self.vectors.find_files(query)
        page = found[: options.limit]
        return NamePage(self._hits(embedded, page, {}), page[-1].position if len(found) > options.limit else None)

    def by_both(self, account: str, text: str, options: SearchOptions, start: int) -> FusedPage:
        """The files that a text finds by their pictures and by their names: ``fusion.fuse`` of both rankings.

        Args:
            start: the rank of the page's first file, from 0.

        Raises:
            InvalidRequest: the text is blank or too long.
        """
        embedded = self._embed(account, text)
        deep = replace(options, limit=FUSION_DEPTH)
        by_content = self.vectors.search(
            VectorQuery(account=account, vector=embedded.vector, model=embedded.model, options=deep)
        )
        query = _name_query(account, embedded, text, deep)
        by_name = self.vectors.find_files(query) if query.words else []
        fused = fuse([[hit.uuid for hit in by_content], [found.uuid for found in by_name]])
        page = fused[start : start + options.limit]
        known = {hit.uuid: hit for hit in by_content}
        named = {found.uuid: found for found in by_name}
        missing = self._hits(embedded, [named[uuid] for uuid in page if uuid not in known], known)
        hits = known | {hit.uuid: hit for hit in missing}
        return FusedPage([hits[uuid] for uuid in page if uuid in hits], len(fused) > start + options.limit)

    def _embed(self, account: str, text: str) -> QueryVector:
        return self.embedder.embed_texts(account, [check_query_text(text, "query")])[0]

    def _hits(self, embedded: QueryVector, found: list[FoundFile], known: dict[str, Hit]) -> list[Hit]:
        """The files as hits; one whose vector is gone by now is left out."""
        wanted = [file.uuid for file in found if file.uuid not in known]
        vectors = self.vectors.vectors(embedded.model, wanted) if wanted else {}
        return [
            Hit(uuid=file.uuid, file=file.file, distance=cosine_distance(embedded.vector, vectors[file.uuid][1]))
            for file in found
            if file.uuid in vectors
        ]


def _name_query(account: str, embedded: QueryVector, text: str, options: SearchOptions) -> FileQuery:
    return FileQuery(
        account=account,
        model=embedded.model,
        limit=options.limit,
        order=Order.MATCH,
        descending=True,
        collections=options.collections,
        filter=options.filter,
        words=query_words(text)[:MAX_WORDS],
    )
