"""Statistics that add up are left alone, those that do not are told, and corrected only where nobody has moved them."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import pytest

from chalicelib.domain.collections import Collection
from chalicelib.domain.files import FileState
from chalicelib.domain.listing import Known
from chalicelib.services.recounting import Recounting
from tests.contract.things import a_collection, a_record
from tests.fakes.catalogue import FakeCatalogue
from tests.fakes.collections import FakeCollections


@pytest.fixture
def collections() -> FakeCollections:
    return FakeCollections()


@pytest.fixture
def catalogue(collections: FakeCollections) -> FakeCatalogue:
    return FakeCatalogue(collections)


@pytest.fixture
def collection(collections: FakeCollections, catalogue: FakeCatalogue) -> Collection:
    made = a_collection()
    collections.put(made)
    catalogue.save(a_record(made, "a", size=10), None)
    catalogue.save(a_record(made, "b", size=20), None)
    catalogue.save(a_record(made, "broken", size=99, state=FileState.FAILED, picture=None), None)
    return made


def drift(collections: FakeCollections, collection: Collection) -> None:
    collections.count(collection.account, collection.uuid, 5, 500)


def test_what_is_indexed_adds_up(
    collections: FakeCollections, catalogue: FakeCatalogue, collection: Collection
) -> None:
    (found,) = Recounting(collections, catalogue).recount([collection])
    assert (found.stated, found.counted, found.adds_up) == ((2, 30), (2, 30), True)


def test_statistics_that_are_off_are_told_and_corrected(
    collections: FakeCollections, catalogue: FakeCatalogue, collection: Collection
) -> None:
    recounting = Recounting(collections, catalogue)
    drift(collections, collection)
    (found,) = recounting.recount([collection])
    assert (found.stated, found.counted, found.adds_up) == ((7, 530), (2, 30), False)
    assert recounting.correct(found)
    (again,) = recounting.recount([collection])
    assert again.adds_up


def test_a_correction_does_not_undo_what_has_been_counted_since(
    collections: FakeCollections, catalogue: FakeCatalogue, collection: Collection
) -> None:
    recounting = Recounting(collections, catalogue)
    drift(collections, collection)
    (found,) = recounting.recount([collection])
    catalogue.save(a_record(collection, "c", size=7), None)
    assert not recounting.correct(found)
    assert collections.get(collection.account, collection.uuid).total_files == 8


def test_a_collection_that_changes_at_every_look_is_said_to_and_not_to_be_off(
    collections: FakeCollections, catalogue: FakeCatalogue, collection: Collection
) -> None:
    class Busy(FakeCatalogue):
        numbers = count()

        def walk(self, collection: str, after: str | None) -> Iterator[Known]:
            yield from super().walk(collection, after)
            self.save(replace(a_record(owner, f"new-{next(self.numbers)}"), size=1), None)

    owner = collection
    busy = Busy(collections)
    busy.records = catalogue.records
    (found,) = Recounting(collections, busy).recount([collection])
    assert not found.settled
    assert not found.adds_up
