"""Searches for the queries of a sheet, and compares what they find with what the sheet expects."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from chalicelib.api.requests.filters import stated_filter
from chalicelib.api.requests.queries import LIMIT_MAX
from chalicelib.api.requests.searches import parse_terms
from chalicelib.bootstrap import Services
from chalicelib.domain.collections import Collection, is_uuid
from chalicelib.domain.composition import FileTerm, Term
from chalicelib.domain.errors import NotFound, SimilarixError, Unavailable
from chalicelib.domain.files import FileRecord, FileState
from chalicelib.domain.vectors import SearchOptions
from chalicelib.services.search import RelevanceOptions
from infra.evaluation.measures import Outcome
from infra.evaluation.sheet import EXPECTED, PICTURE, Row

DEPTH = LIMIT_MAX  # files that a query finds at most: an expected one behind them counts as not found
_READ_AT_ONCE = 100  # records, as ``Catalogue.get_each`` reads them


@dataclass(frozen=True, slots=True)
class JudgedQuery:
    """A row that can be searched for, with the uuids of the files that it should find."""

    row: Row
    terms: tuple[Term, ...]
    records: dict[str, FileRecord]
    options: SearchOptions
    expected: frozenset[str]


@dataclass(frozen=True)
class Evaluator:
    """Evaluates queries on what an account has indexed.

    Args:
        collection: the only one that is searched, and whose paths a sheet has; None for all of the account's.
        folder: where the pictures are that a sheet names in ``file``.
    """

    services: Services
    account: str
    collection: Collection | None
    folder: Path

    def judge(self, rows: Sequence[Row]) -> tuple[list[JudgedQuery], list[str]]:
        """The queries of a sheet, and a sentence for each row that is none, with its number."""
        queries, findings = [], []
        for row in rows:
            try:
                queries.append(self._judged(row))
            except Unavailable:
                raise
            except (SimilarixError, ValueError) as error:
                findings.append(_sentence(row, error))
        return queries, findings

    def search(self, query: JudgedQuery) -> Outcome:
        """Search as the API does, once as it is and once with ``cutoff=auto``.

        Raises:
            ValueError: the query cannot be searched for; the message has the row's number.
            Unavailable: the store or the model cannot be reached.
        """
        search = self.services.search.by_terms
        try:
            found = search(self.account, query.terms, query.records, query.options)
            cut = search(
                self.account, query.terms, query.records, query.options, relevance=RelevanceOptions(cutoff=True)
            )
        except Unavailable:
            raise
        except SimilarixError as error:
            raise ValueError(_sentence(query.row, error)) from error
        is_cut = cut.expected_by_chance is not None
        return Outcome(
            query.expected,
            [hit.uuid for hit in found.hits],
            [hit.uuid for hit in cut.hits] if is_cut else None,
        )

    def _judged(self, row: Row) -> JudgedQuery:
        files = {name: list(self._files(row, name)) for name in ("like", "unlike", EXPECTED)}
        uuids = {name: [record.uuid for record in records] for name, records in files.items()}
        terms = parse_terms(lambda name: uuids[name] if name in uuids else row.values(name), picture=self._picture(row))
        named = {term.file for term in terms if isinstance(term, FileTerm)}
        if named.intersection(uuids[EXPECTED]):
            raise ValueError(f"'{EXPECTED}' has a file that the query names: a search leaves it out.")
        # With their vectors, which ``Catalogue.get_each`` may leave out.
        records = {uuid: self.services.files.get_indexed(self.account, uuid) for uuid in named}
        filled = [name for name in row.cells if row.values(name)]
        options = SearchOptions(
            limit=DEPTH,
            collections=None if self.collection is None else (self.collection.uuid,),
            filter=stated_filter(filled, row.values),
        )
        return JudgedQuery(row, terms, records, options, frozenset(uuids[EXPECTED]))

    def _files(self, row: Row, column: str) -> Iterator[FileRecord]:
        """The indexed files that a cell names by path or uuid; raises ValueError for one that is not there."""
        for name in row.values(column):
            if is_uuid(name):
                try:
                    yield self.services.files.get_indexed(self.account, name)
                except NotFound:
                    raise ValueError(f"'{column}' has {name}, and no indexed file has this uuid.") from None
            else:
                found = self._at_path(name)
                if not found:
                    raise ValueError(f"'{column}' has '{name}', and no indexed file has this path.")
                if len(found) > 1:
                    raise ValueError(
                        f"'{column}' has '{name}', a path in {len(found)} collections: choose one by --collection, or "
                        "name the file by its uuid."
                    )
                yield found[0]

    def _at_path(self, path: str) -> list[FileRecord]:
        keys = [(collection.uuid, collection.prefix + path) for collection in self._collections]
        records: list[FileRecord] = []
        for start in range(0, len(keys), _READ_AT_ONCE):
            records += self.services.adapters.catalogue.get_each(keys[start : start + _READ_AT_ONCE]).values()
        return [record for record in records if record.state is FileState.INDEXED]

    @cached_property
    def _collections(self) -> list[Collection]:
        if self.collection is not None:
            return [self.collection]
        return self.services.adapters.collections.of_account(self.account)

    def _picture(self, row: Row) -> bytes | None:
        """The picture on this machine to search by; raises ValueError if it cannot be read."""
        names = row.values(PICTURE)
        if not names:
            return None
        if len(names) > 1:
            raise ValueError(f"'{PICTURE}' has {len(names)} pictures, and a query has one.")
        path = self.folder / names[0]
        try:
            return path.read_bytes()
        except OSError as error:
            raise ValueError(f"'{PICTURE}' has {path}, which cannot be read: {error.strerror}.") from error


def _sentence(row: Row, error: Exception) -> str:
    field = error.field if isinstance(error, SimilarixError) else None
    return f"Row {row.number}: {f'{field}: ' if field else ''}{error}"
