"""Lists indexed files as the vector store finds them: sorted, filtered, or by their names."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chalicelib.domain.collections import Collection
from chalicelib.domain.file_queries import FilePosition, FileQuery, FoundFile, Order
from chalicelib.domain.files import FileRecord, FileState
from chalicelib.domain.filters import Filter
from chalicelib.domain.vectors import NO_FILTER
from chalicelib.services.ports import Catalogue, VectorStore


@dataclass(frozen=True, slots=True)
class SortedPage:
    """Records in the order of the query; ``after`` is where the next page begins, None says there is none."""

    records: Sequence[FileRecord]
    after: FilePosition | None


@dataclass(frozen=True, slots=True)
class FileFinder:
    """Args:
    model_version: of the vectors that are searched; an indexed file of another one is not found.
    """

    vectors: VectorStore
    catalogue: Catalogue
    model_version: Callable[[], str]

    def page(
        self,
        collection: Collection,
        order: Order,
        wanted: Filter,
        *,
        descending: bool,
        after: FilePosition | None,
        limit: int,
    ) -> SortedPage:
        """The collection's indexed files that a filter admits, as their records are now.

        A page may be shorter than the limit although another follows: a file that has just been removed is left out.
        """
        query = FileQuery(
            account=collection.account,
            model=self.model_version(),
            limit=limit + 1,  # one more tells whether there is a next page
            order=order,
            descending=descending,
            collections=(collection.uuid,),
            filter=wanted,
            after=after,
        )
        found = self.vectors.find_files(query)
        page = found[:limit]
        records = self.catalogue.get_many(collection.uuid, [each.file.key for each in page])
        shown = [records[each.file.key] for each in page if each.file.key in records]
        return SortedPage(
            [record for record in shown if record.state is FileState.INDEXED],
            page[-1].position if len(found) > limit else None,
        )

    def newest(
        self,
        account: str,
        limit: int,
        *,
        collections: tuple[str, ...] | None = None,
        wanted: Filter = NO_FILTER,
        after: FilePosition | None = None,
    ) -> list[FoundFile]:
        """The account's indexed files that a filter admits, the one that S3 stored last first.

        Args:
            collections: only files of these; None means all of the account.
        """
        query = FileQuery(
            account=account,
            model=self.model_version(),
            limit=limit,
            order=Order.MODIFIED,
            descending=True,
            collections=collections,
            filter=wanted,
            after=after,
        )
        return self.vectors.find_files(query)
