"""Searches an account's files by the words of their names, alone or together with what their pictures show."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.composition import check_query_text
from chalicelib.domain.embeddings import QueryVector, ReadFailure, unreadable_text
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.file_queries import MAX_WORDS, FilePosition, FileQuery, FoundFile, Order
from chalicelib.domain.fusion import fuse
from chalicelib.domain.name_words import query_words
from chalicelib.domain.vectors import Hit, SearchOptions, VectorQuery, cosine_distance
from chalicelib.services.folds import MAX_READ, Batch, FoldReader
from chalicelib.services.ports import QueryEmbedder, VectorStore

FUSION_DEPTH = 200  # files of each ranking that are fused: all that a fused search returns


@dataclass(frozen=True, slots=True)
class NamePage:
    """A page of files, and where the next one begins; None says there is none.

    ``duplicates`` has, where duplicates are folded, the uuids of the other files that show each file's picture.
    """

    files: Sequence[FoundFile]
    after: FilePosition | None
    duplicates: Sequence[Sequence[str]] | None = None


@dataclass(frozen=True, slots=True)
class FusedPage:
    """A page, and the rank with which the next one begins; None says there is none.

    A file has no distance where the model does not read the text. ``duplicates`` is as in ``NamePage``.
    """

    hits: Sequence[Hit | FoundFile]
    next_start: int | None
    duplicates: Sequence[Sequence[str]] | None = None


@dataclass(frozen=True, slots=True)
class NameSearchService:
    """Args:
    model_version: of the vectors that are searched; a file without one is not found.
    """

    embedder: QueryEmbedder
    vectors: VectorStore
    model_version: Callable[[], str]

    def by_name(
        self,
        account: str,
        text: str,
        options: SearchOptions,
        after: FilePosition | None,
        *,
        fold_duplicates: bool = False,
    ) -> NamePage:
        """The files whose names match every word of a text, the best first. The model does not read the text.

        Args:
            fold_duplicates: show each picture once, by the first of its files.

        Raises:
            InvalidRequest: the text is blank, too long, or has no word.
        """
        words = _words(check_query_text(text, "query"))
        if not words:
            raise InvalidRequest("query has no letter and no digit to find in a name.", field="query")
        query = replace(_name_query(account, self.model_version(), words, options), after=after)
        if fold_duplicates:
            return self._folded_names(query)
        page, has_more = self._names(query)
        return NamePage(page, page[-1].position if has_more else None)

    def by_both(
        self, account: str, text: str, options: SearchOptions, start: int, *, fold_duplicates: bool = False
    ) -> FusedPage:
        """The files that a text finds by their pictures and by their names: ``fusion.fuse`` of both rankings.

        Args:
            start: the rank of the page's first file, from 0.
            fold_duplicates: show each picture once, by the first of its files.

        Raises:
            InvalidRequest: the text is blank or too long, or has no word and is not read by the model.
        """
        words = _words(check_query_text(text, "query"))
        embedded = self._embed(account, text, needed=not words)
        deep = replace(options, limit=FUSION_DEPTH)
        by_content: list[Hit] = []
        if embedded is not None:
            vector_query = VectorQuery(account=account, vector=embedded.vector, model=embedded.model, options=deep)
            by_content = self.vectors.search(vector_query)
        model = embedded.model if embedded is not None else self.model_version()
        by_name = self.vectors.find_files(_name_query(account, model, words, deep)) if words else []
        fused = fuse([[hit.uuid for hit in by_content], [found.uuid for found in by_name]])
        hits: dict[str, Hit | FoundFile] = {found.uuid: found for found in by_name}
        hits |= {hit.uuid: hit for hit in by_content}
        rest = [hits[uuid] for uuid in fused[start:]]
        if fold_duplicates:
            folded = FoldReader(self.vectors).read(model, options.limit, iter([Batch(rest, has_more=False)]))
            page, consumed = [each.first for each in folded.folds], folded.consumed
            duplicates = [[copy.uuid for copy in each.copies] for each in folded.folds]
        else:
            page, duplicates = rest[: options.limit], None
            consumed = len(page)
        if embedded is not None:
            hits |= self._compared(embedded, [hit for hit in page if isinstance(hit, FoundFile)])
        next_start = start + consumed if consumed < len(rest) else None
        return FusedPage([hits[each.uuid] for each in page], next_start, duplicates)

    def _names(self, query: FileQuery) -> tuple[list[FoundFile], bool]:
        """The page of a query, and whether another one follows."""
        found = self.vectors.find_files(replace(query, limit=query.limit + 1))
        return found[: query.limit], len(found) > query.limit

    def _folded_names(self, query: FileQuery) -> NamePage:
        found: list[FoundFile] = []

        def batches() -> Iterator[Batch[FoundFile]]:
            wanted = replace(query, limit=2 * query.limit + 1)
            while True:
                page, has_more = self._names(wanted)
                found.extend(page)
                yield Batch(page, has_more)
                wanted = replace(wanted, limit=min(2 * wanted.limit, MAX_READ), after=page[-1].position)

        folded = FoldReader(self.vectors).read(query.model, query.limit, batches())
        return NamePage(
            [each.first for each in folded.folds],
            found[folded.consumed - 1].position if folded.has_more else None,
            [[copy.uuid for copy in each.copies] for each in folded.folds],
        )

    def _embed(self, account: str, text: str, *, needed: bool) -> QueryVector | None:
        """The text's vector; None if the model does not read it and it is not needed."""
        (result,) = self.embedder.embed_texts(account, [text])
        if not isinstance(result, ReadFailure):
            return result
        if needed or result.transient:
            raise unreadable_text(result, "query")
        return None

    def _compared(self, embedded: QueryVector, found: Sequence[FoundFile]) -> Mapping[str, Hit]:
        """Files that their names found, with the distances of their pictures from the text."""
        vectors = self.vectors.vectors(embedded.model, [file.uuid for file in found]) if found else {}
        return {
            file.uuid: Hit(
                uuid=file.uuid, file=file.file, distance=cosine_distance(embedded.vector, vectors[file.uuid][1])
            )
            for file in found
            if file.uuid in vectors
        }


def _words(text: str) -> tuple[str, ...]:
    return query_words(text)[:MAX_WORDS]


def _name_query(account: str, model: str, words: tuple[str, ...], options: SearchOptions) -> FileQuery:
    return FileQuery(
        account=account,
        model=model,
        limit=options.limit,
        order=Order.MATCH,
        descending=True,
        collections=options.collections,
        filter=options.filter,
        words=words,
    )
