"""Lists that the vector store sorts show the records as the catalogue has them."""

from dataclasses import replace
from datetime import timedelta

from chalicelib.domain.file_queries import FilePosition, Order
from chalicelib.domain.files import FileRecord, FileState
from chalicelib.domain.filter_syntax import parse_filter
from chalicelib.domain.filters import Filter
from chalicelib.domain.vectors import vector_document
from chalicelib.services.file_finder import FileFinder, SortedPage
from tests.factories import NOW, a_collection, a_record, an_embedding
from tests.fakes.catalogue import FakeCatalogue
from tests.fakes.collections import FakeCollections
from tests.fakes.embedder import vector
from tests.fakes.vectors import FakeVectorStore

COLLECTION = a_collection()
MODEL = "fake-1+d1"


class World:
    """A collection of five indexed files, the later ones smaller and taken earlier."""

    def __init__(self) -> None:
        collections = FakeCollections()
        collections.add(COLLECTION)
        self.catalogue, self.vectors = FakeCatalogue(collections), FakeVectorStore()
        self.finder = FileFinder(self.vectors, self.catalogue, lambda: MODEL)
        self.records = [self._add(number) for number in range(5)]

    def _add(self, number: int) -> FileRecord:
        taken = NOW - timedelta(days=number) if number < 3 else None
        embedding = an_embedding(vector=vector(b"%d" % number), size=100 - number, taken=taken)
        record = a_record(COLLECTION, f"{COLLECTION.prefix}{number}.jpg", size=100 - number, embedding=embedding)
        self.vectors.upsert([vector_document(record, embedding, COLLECTION)])
        self.catalogue.save(record, None)
        return record

    def page(self, order: Order, *, after: FilePosition | None = None, descending: bool = False) -> SortedPage:
        return self.finder.page(COLLECTION, order, Filter(), descending=descending, after=after, limit=2)

    def numbers(self, order: Order, *, descending: bool = False) -> list[int]:
        page = self.page(order, descending=descending)
        records = list(page.records)
        while page.after is not None:
            page = self.page(order, after=page.after, descending=descending)
            records += page.records
        return [self.records.index(record) for record in records]


def test_all_pages_are_in_the_order_that_was_asked_for() -> None:
    world = World()
    assert world.numbers(Order.PATH) == [0, 1, 2, 3, 4]
    assert world.numbers(Order.SIZE) == [4, 3, 2, 1, 0]
    assert world.numbers(Order.SIZE, descending=True) == [0, 1, 2, 3, 4]
    assert world.numbers(Order.TAKEN)[:3] == [2, 1, 0], "what is not known comes last"
    assert world.numbers(Order.TAKEN, descending=True)[:3] == [0, 1, 2]


def test_a_file_that_is_no_longer_indexed_is_left_out_although_the_store_still_has_it() -> None:
    world = World()
    removed = replace(world.records[1].next_revision(NOW), state=FileState.REMOVED)
    world.catalogue.save(removed, world.records[1])
    assert world.numbers(Order.PATH) == [0, 2, 3, 4]


def test_the_newest_files_of_an_account_come_from_all_its_collections_latest_first_and_by_pages() -> None:
    world = World()
    other = a_collection(account=COLLECTION.account)
    late, embedding = NOW + timedelta(days=1), an_embedding(vector=vector(b"late"))
    record = a_record(other, f"{other.prefix}late.jpg", modified=late, embedding=embedding)
    world.vectors.upsert([vector_document(record, embedding, other)])
    found = world.finder.newest(COLLECTION.account, 3)
    assert found[0].uuid == record.uuid
    rest = world.finder.newest(COLLECTION.account, 9, after=found[-1].position)
    assert {file.uuid for file in [*found, *rest]} == {record.uuid, *(each.uuid for each in world.records)}
    of_one = world.finder.newest(COLLECTION.account, 9, collections=(other.uuid,))
    assert [file.uuid for file in of_one] == [record.uuid]
    assert world.finder.newest(COLLECTION.account, 9, wanted=parse_filter({"path": "nowhere"})) == []
