"""Searches an account's pictures by texts, by pictures, by indexed files, and by several of these at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.calibration import TermKind
from chalicelib.domain.collections import Collection
from chalicelib.domain.composition import (
    FileTerm,
    PictureTerm,
    Term,
    TextTerm,
    UploadTerm,
    WeightedVector,
    check_query_text,
    check_terms,
    compose,
    scales,
)
from chalicelib.domain.embeddings import (
    SOURCE_NOT_FOUND,
    ImageEmbedding,
    QueryVector,
    ReadFailure,
    unreadable_picture,
    unreadable_text,
)
from chalicelib.domain.errors import Conflict, UploadIncomplete
from chalicelib.domain.files import FileRecord
from chalicelib.domain.image_files import check_inline_size
from chalicelib.domain.relevance import CUT_WINDOW, Expectation, count_before_chance, expectation
from chalicelib.domain.vectors import Hit, Position, SearchOptions, VectorQuery, vector_document
from chalicelib.services.calibrations import CalibrationReader
from chalicelib.services.folds import MAX_READ, Batch, FoldReader
from chalicelib.services.ports import QueryEmbedder, VectorStore

LARGER_PICTURE = (
    "To search by one of up to 20 MiB, upload it first: prepare the upload at /api/search/uploads/, send the file, "
    "and search with the upload's id in the parameter 'upload'."
)


@dataclass(frozen=True, slots=True)
class Continuation:
    """What a page takes from the pages before: the scales of a composed query's terms, and how many hits they had."""

    scales: tuple[float, ...] = ()
    rank: int = 0


@dataclass(frozen=True, slots=True)
class RelevanceOptions:
    """Whether the answer ends where chance begins, and whether hits show what chance would give."""

    cutoff: bool = False
    shown: bool = False

    @property
    def asked(self) -> bool:
        return self.cutoff or self.shown


FIRST_PAGE = Continuation()
_NO_RELEVANCE = RelevanceOptions()


@dataclass(frozen=True, slots=True)
class SearchPage:
    """A page of hits, and whether another page follows.

    ``continuation`` is what the next page is searched with, behind the position ``end``. ``expected_by_chance`` has a
    number for each hit where the search has a cut or shows it and the model has statistics, and is None otherwise;
    ``searched`` is then how many pictures were searched.
    ``duplicates`` has, where duplicates are folded, the uuids of the other files that show each hit's picture.
    """

    hits: Sequence[Hit]
    has_more: bool
    continuation: Continuation = FIRST_PAGE
    end: Position | None = None
    expected_by_chance: Sequence[float] | None = None
    searched: int | None = None
    duplicates: Sequence[Sequence[str]] | None = None


@dataclass(frozen=True, slots=True)
class _Question:
    """What each page of a search asks the vector store.

    Args:
        without: files that the answer leaves out.
        chance: what chance gives for each picture that is searched, if the answer is cut by it or shows it.
        searched: how many these are, once a page has counted them.
    """

    query: VectorQuery
    without: frozenset[str] = frozenset()
    chance: Expectation | None = None
    cutoff: bool = False
    searched: int | None = None


@dataclass(frozen=True, slots=True)
class SearchService:
    embedder: QueryEmbedder
    vectors: VectorStore
    calibrations: CalibrationReader

    def by_text(self, account: str, query: str | None, options: SearchOptions) -> SearchPage:
        """The account's pictures nearest to a text.

        Raises:
            InvalidRequest: the text is missing, blank, or longer than 1,000 characters.
        """
        text = check_query_text(query, "query")
        (vector,) = self._embed_texts(account, [TextTerm(text=text, field="query")])
        return self._page(_Question(_vector_query(account, vector, options)), options)

    def by_image(self, account: str, image: bytes, options: SearchOptions) -> SearchPage:
        """The account's pictures nearest to a picture.

        Raises:
            UnreadablePicture: the bytes are not a picture.
            PayloadTooLarge: they exceed what the API takes in one request.
        """
        return self._page(_Question(_vector_query(account, self._embed_picture(image), options)), options)

    def by_file(self, record: FileRecord, options: SearchOptions) -> SearchPage:
        """The account's pictures nearest to an indexed file, without the file itself."""
        query = _vector_query(record.account, _stored_vector(record), options)
        return self._page(_Question(query, without=frozenset({record.uuid})), options)

    def copies(self, record: FileRecord, collection: Collection, hits: Sequence[Hit]) -> Sequence[Hit]:
        """Those of the hits of ``by_file`` that show the same picture as the file, as ``fold_duplicates`` tells it.

        Args:
            collection: the file's own.
        """
        assert record.embedding is not None
        document = vector_document(record, record.embedding, collection)
        return FoldReader(self.vectors).copies(
            document.model, Hit(uuid=record.uuid, file=document.file, distance=0.0), hits
        )

    def by_terms(
        self,
        account: str,
        terms: Sequence[Term],
        records: Mapping[str, FileRecord],
        options: SearchOptions,
        continuation: Continuation = FIRST_PAGE,
        relevance: RelevanceOptions = _NO_RELEVANCE,
        *,
        fold_duplicates: bool = False,
    ) -> SearchPage:
        """The account's pictures with the highest score under a composed query, without the files that it names.

        A query of one term is searched exactly as ``by_text``, ``by_image`` and ``by_file`` do.

        Args:
            records: the account's indexed files that the terms name, by uuid.
            fold_duplicates: show each picture once, by the nearest of its files.

        Raises:
            InvalidRequest: a weight is not allowed, a text is blank, or the terms cancel each other.
            Conflict: a file was embedded by another model.
            UploadIncomplete: an uploaded picture has not arrived.
        """
        check_terms(terms)
        terms = [term for term in terms if term.weight]
        model, weighted = self.weigh(account, terms, records)
        composed = len(terms) > 1
        calibration = self.calibrations.read(account, model) if composed or relevance.asked else None
        term_scales = continuation.scales
        if len(term_scales) != len(terms):
            term_scales = scales(weighted, calibration) if composed else (1.0,)
        query = _vector_query(account, QueryVector(model, compose(weighted, term_scales)), options)
        without = frozenset(term.file for term in terms if isinstance(term, FileTerm))
        chance = None
        if calibration is not None and relevance.asked:
            chance = expectation(weighted, term_scales, query.vector, calibration, 1)
        question = _Question(query, without, chance, relevance.cutoff)
        begin = Continuation(term_scales, continuation.rank)
        return (self._folded_page if fold_duplicates else self._page)(question, options, begin)

    def weigh(
        self, account: str, terms: Sequence[Term], records: Mapping[str, FileRecord]
    ) -> tuple[str, list[WeightedVector]]:
        """The model version of the terms, and their vectors with their weights; raises Conflict for several models."""
        vectors = self._embed_terms(account, terms, records)
        models = {vector.model for vector in vectors}
        if len(models) > 1:
            raise Conflict("Files of this query have not been embedded by the present model yet. A sync does it.")
        kinds = [TermKind.TEXT if isinstance(term, TextTerm) else TermKind.PICTURE for term in terms]
        return vectors[0].model, [
            WeightedVector(vector.vector, kind, term.weight)
            for vector, kind, term in zip(vectors, kinds, terms, strict=True)
        ]

    def _embed_terms(
        self, account: str, terms: Sequence[Term], records: Mapping[str, FileRecord]
    ) -> Sequence[QueryVector]:
        """The vector of each term; all texts are embedded in one call, and all uploaded pictures in another."""
        embedded = iter(self._embed_texts(account, [term for term in terms if isinstance(term, TextTerm)]))
        urls = [term.url for term in terms if isinstance(term, UploadTerm)]
        uploaded = iter(self.embedder.embed_objects(urls) if urls else ())
        vectors = []
        for term in terms:
            match term:
                case TextTerm():
                    vectors.append(next(embedded))
                case FileTerm():
                    vectors.append(_stored_vector(records[term.file]))
                case PictureTerm():
                    vectors.append(self._embed_picture(term.picture))
                case UploadTerm():
                    vectors.append(_picture_vector(next(uploaded), term.field))
        return vectors

    def _embed_texts(self, account: str, terms: Sequence[TextTerm]) -> Sequence[QueryVector]:
        """The vectors of texts; raises InvalidRequest for one that is blank, too long, or not read by the model."""
        texts = [check_query_text(term.text, term.field) for term in terms]
        vectors = []
        for term, result in zip(terms, self.embedder.embed_texts(account, texts) if texts else (), strict=True):
            if isinstance(result, ReadFailure):
                raise unreadable_text(result, term.field)
            vectors.append(result)
        return vectors

    def _embed_picture(self, image: bytes) -> QueryVector:
        check_inline_size(image, LARGER_PICTURE)
        return _picture_vector(self.embedder.embed_image(image), "file")

    def _page(self, question: _Question, options: SearchOptions, begin: Continuation = FIRST_PAGE) -> SearchPage:
        chance, limit = question.chance, options.limit
        window = max(limit, CUT_WINDOW) if chance is not None and question.cutoff else limit
        page = self._nearest(question, replace(options, limit=window))
        if chance is not None and page.searched is not None:
            chance = replace(chance, pictures=page.searched)
            page = _with_expectations(page, chance, limit, begin.rank, cutoff=question.cutoff)
        end = page.hits[-1].position if page.hits else None
        return replace(page, continuation=replace(begin, rank=begin.rank + len(page.hits)), end=end)

    def _folded_page(self, question: _Question, options: SearchOptions, begin: Continuation) -> SearchPage:
        """A page of pictures; what it has folded counts as shown."""
        hits: list[Hit] = []
        expected: dict[str, float] = {}
        searched: int | None = None

        def batches() -> Iterator[Batch[Hit]]:
            nonlocal searched
            wanted, reached = replace(options, limit=2 * options.limit + 1), begin
            while True:
                page = self._page(replace(question, searched=searched), wanted, reached)
                searched = page.searched
                hits.extend(page.hits)
                expected.update(zip((hit.uuid for hit in page.hits), page.expected_by_chance or (), strict=False))
                yield Batch(page.hits, page.has_more)
                wanted, reached = (
                    replace(wanted, limit=min(2 * wanted.limit, MAX_READ), after=page.end),
                    page.continuation,
                )

        folded = FoldReader(self.vectors).read(question.query.model, options.limit, batches())
        shown = [each.first for each in folded.folds]
        return SearchPage(
            shown,
            folded.has_more,
            continuation=replace(begin, rank=begin.rank + folded.consumed),
            end=hits[folded.consumed - 1].position if folded.consumed else None,
            expected_by_chance=None if question.chance is None else [expected[hit.uuid] for hit in shown],
            searched=searched,
            duplicates=[[copy.uuid for copy in each.copies] for each in folded.folds],
        )

    def _nearest(self, question: _Question, options: SearchOptions) -> SearchPage:
        """The nearest pictures but those that the question leaves out; counted where chance needs it."""
        limit, without, searched = options.limit, question.without, question.searched
        # One more tells whether there is a next page, and each that is left out is made up for.
        query = replace(question.query, options=replace(options, limit=limit + 1 + len(without)))
        if question.chance is not None and searched is None:
            counted = self.vectors.search_and_count(query)
            found, searched = counted.hits, counted.searched
        else:
            found = self.vectors.search(query)
        hits = [hit for hit in found if hit.uuid not in without]
        return SearchPage(hits[:limit], has_more=len(hits) > limit, searched=searched)


def _with_expectations(page: SearchPage, chance: Expectation, limit: int, rank: int, *, cutoff: bool) -> SearchPage:
    """The first hits of a page that may be longer, each with what chance expects; with a cut, those before it."""
    expected = [chance.expected_by_chance(hit.distance) for hit in page.hits]
    kept = count_before_chance(expected, rank) if cutoff else len(expected)
    shown = min(limit, kept)
    return SearchPage(
        page.hits[:shown],
        # A window that chance does not reach may go on.
        has_more=kept > shown or (kept == len(page.hits) and page.has_more),
        expected_by_chance=expected[:shown],
        searched=chance.pictures,
    )


def _vector_query(account: str, vector: QueryVector, options: SearchOptions) -> VectorQuery:
    return VectorQuery(account=account, vector=vector.vector, model=vector.model, options=options)


def _picture_vector(picture: ImageEmbedding | ReadFailure, field: str) -> QueryVector:
    if isinstance(picture, ImageEmbedding):
        return QueryVector(picture.model, picture.vector)
    if picture.code == SOURCE_NOT_FOUND:
        message = "The picture of this upload has not arrived. Send it with the form, then search."
        raise UploadIncomplete(message, field=field)
    raise unreadable_picture(picture, field)


def _stored_vector(record: FileRecord) -> QueryVector:
    assert record.embedding is not None
    return QueryVector(record.embedding.model, record.embedding.vector)
