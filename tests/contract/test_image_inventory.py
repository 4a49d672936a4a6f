"""Images that no record names are found and deleted; those that one names, or comes to name meanwhile, stay."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.catalogue import DynamoDBCatalogue
from chalicelib.adapters.dynamodb.image_inventory import DynamoDBImageInventory
from chalicelib.domain.collections import Collection
from chalicelib.domain.file_images import FileImage, OrphanedImage, image_of, with_new_images
from chalicelib.domain.files import FileRecord, FileState, PendingWrite
from chalicelib.services.ports import Catalogue, ImageInventory
from tests.contract.earlier_records import earlier_item
from tests.contract.tables import make_table, put_collection
from tests.factories import a_collection, a_record
from tests.fakes.catalogue import FakeCatalogue
from tests.fakes.collections import FakeCollections
from tests.fakes.image_inventory import FakeImageInventory

LATER = timedelta(days=1)  # every image is stored before


@dataclass(frozen=True)
class Stores:
    """The inventory, and what changes it; ``after_read`` happens once after the next read of a single record."""

    add: Callable[[Collection], None]
    catalogue: Catalogue
    inventory: ImageInventory
    put_earlier: Callable[[FileRecord], None]
    after_read: list[Callable[[], Any]] = field(default_factory=list)

    def orphans(self, collection: Collection, stored_before: datetime | None = None) -> list[OrphanedImage]:
        """The orphaned images of a collection, of all pages."""
        found, after = list[OrphanedImage](), None
        while True:
            page = self.inventory.orphans(stored_before or datetime.now(UTC) + LATER, after)
            found += [orphan for orphan in page.orphans if orphan.collection == collection.uuid]
            after = page.after
            if after is None:
                return found

    def orphan(self, record: FileRecord, collection: Collection) -> OrphanedImage:
        """Store the image of a record that is not written; returns it as it is found."""
        self.catalogue.put_images([record])
        (orphan,) = (each for each in self.orphans(collection) if each.image == image_of(record))
        return orphan

    def save(self, record: FileRecord, previous: FileRecord | None) -> None:
        write = PendingWrite(record, previous)
        self.catalogue.put_images(with_new_images([write]))
        self.catalogue.save_all([write])

    def images(self, record: FileRecord) -> list[FileImage]:
        return self.catalogue.images_of([record.uuid])


def with_thumbnail(record: FileRecord) -> FileRecord:
    return replace(record, thumbnail=f"{record.uuid}/{uuid4().hex[:16]}")


class ImageInventoryContract:
    @pytest.fixture
    def stores(self) -> Stores:
        raise NotImplementedError

    @pytest.fixture
    def collection(self, stores: Stores) -> Collection:
        collection = a_collection()
        stores.add(collection)
        return collection

    def test_images_without_a_record_and_those_that_their_record_does_not_name_are_found(
        self, stores: Stores, collection: Collection
    ):
        named, failed = with_thumbnail(a_record(collection, "a")), a_record(collection, "ä b", embedding=None)
        stores.save(named, None)
        stores.save(replace(failed, state=FileState.FAILED, reason="empty"), None)
        left = [
            with_thumbnail(named),
            with_thumbnail(a_record(collection, "ä b")),
            with_thumbnail(a_record(collection, "c\nd")),
            a_record(collection, "no thumbnail"),
        ]
        stores.catalogue.put_images(left)
        found = {orphan.image: (orphan.collection, orphan.key) for orphan in stores.orphans(collection)}
        assert found == {image_of(record): (collection.uuid, record.key) for record in left}

    def test_only_images_are_found_that_were_stored_before_the_time(self, stores: Stores, collection: Collection):
        orphan = stores.orphan(with_thumbnail(a_record(collection, "a")), collection)
        assert abs(orphan.stored_at - datetime.now(UTC)) < LATER
        assert stores.orphans(collection, orphan.stored_at) == []
        assert stores.orphans(collection, orphan.stored_at + timedelta(microseconds=1)) == [orphan]

    def test_an_orphan_is_deleted_once(self, stores: Stores, collection: Collection):
        record = with_thumbnail(a_record(collection, "a"))
        orphan = stores.orphan(record, collection)
        assert [stores.inventory.delete_orphan(orphan) for _ in range(2)] == [True, False]
        assert stores.images(record) == stores.orphans(collection) == []

    def test_an_image_stays_that_a_record_has_come_to_name(self, stores: Stores, collection: Collection):
        record = with_thumbnail(a_record(collection, "a"))
        orphan = stores.orphan(record, collection)
        stores.catalogue.save_all([PendingWrite(record, None)])
        assert not stores.inventory.delete_orphan(orphan)
        assert stores.catalogue.get(collection.uuid, "a") == record

    def test_an_image_stays_that_was_stored_again_because_a_record_may_follow(
        self, stores: Stores, collection: Collection
    ):
        record = with_thumbnail(a_record(collection, "a"))
        orphan = stores.orphan(record, collection)
        stores.catalogue.put_images([record])
        assert not stores.inventory.delete_orphan(orphan)
        assert stores.images(record) == [orphan.image]

    def test_the_image_of_a_record_of_an_earlier_version_stays_once_the_record_is_renewed(
        self, stores: Stores, collection: Collection
    ):
        record = with_thumbnail(a_record(collection, "a"))
        stores.put_earlier(record)
        orphan = stores.orphan(record, collection)  # of a renewal that was stopped
        stores.catalogue.renew_page(collection.uuid, None)
        assert not stores.inventory.delete_orphan(orphan)
        assert stores.catalogue.get(collection.uuid, "a") == record

    def test_orphans_of_a_deleted_collection_are_found(self, stores: Stores, collection: Collection):
        stores.save(with_thumbnail(a_record(collection, "a")), None)
        while stores.catalogue.delete_page(collection.uuid):
            pass
        late = with_thumbnail(a_record(collection, "b"))  # its message comes after
        assert stores.inventory.delete_orphan(stores.orphan(late, collection))
        assert stores.images(late) == []


class TestFake(ImageInventoryContract):
    @pytest.fixture
    def stores(self) -> Stores:
        collections = FakeCollections()
        catalogue = FakeCatalogue(collections)

        def put_earlier(record: FileRecord) -> None:
            place = record.collection, record.key
            catalogue.records[place] = record
            catalogue.earlier.add(place)

        return Stores(collections.add, catalogue, FakeImageInventory(catalogue), put_earlier)


def make_stores(client: Any) -> Stores:
    table, collections = make_table(client, "CatalogueTable"), make_table(client, "CollectionsTable")
    after_read: list[Callable[[], Any]] = []
    client.meta.events.register("after-call.dynamodb.GetItem", lambda **_: after_read and after_read.pop()())
    return Stores(
        partial(put_collection, client, collections),
        DynamoDBCatalogue(client, table, collections, make_table(client, "AccountsTable")),
        DynamoDBImageInventory(client, table),
        lambda record: client.put_item(TableName=table, Item=earlier_item(record)),
        after_read,
    )


class DynamoDBContract(ImageInventoryContract):
    """With what needs the two requests of a deletion, and pages of the real size."""

    def test_an_image_stays_whose_record_is_written_while_it_is_deleted(self, stores: Stores, collection: Collection):
        record = with_thumbnail(a_record(collection, "a"))
        orphan = stores.orphan(record, collection)
        stores.after_read.append(lambda: stores.catalogue.save_all([PendingWrite(record, None)]))
        assert not stores.inventory.delete_orphan(orphan)
        assert stores.catalogue.get(collection.uuid, "a") == record
        newer = with_thumbnail(replace(record, version=record.version + 1))
        orphan = stores.orphan(newer, collection)
        stores.after_read.append(lambda: stores.catalogue.save_all([PendingWrite(newer, record)]))
        assert not stores.inventory.delete_orphan(orphan)
        assert stores.catalogue.get(collection.uuid, "a") == newer

    def test_an_image_stays_whose_record_is_renewed_while_it_is_deleted(self, stores: Stores, collection: Collection):
        record = with_thumbnail(a_record(collection, "a"))
        stores.put_earlier(record)
        orphan = stores.orphan(record, collection)
        stores.after_read.append(lambda: stores.catalogue.renew_page(collection.uuid, None))
        assert not stores.inventory.delete_orphan(orphan)
        assert stores.catalogue.get(collection.uuid, "a") == record

    def test_each_image_is_on_one_page_and_a_run_goes_on_where_another_has_stopped(
        self, stores: Stores, collection: Collection
    ):
        records = [with_thumbnail(a_record(collection, f"é {number:03}")) for number in range(450)]
        stores.catalogue.put_images(records)
        before = datetime.now(UTC) + LATER
        first = stores.inventory.orphans(before, None)
        assert first.after is not None and first.read < len(records)
        pages = [first]
        while pages[-1].after is not None:
            pages.append(stores.inventory.orphans(before, pages[-1].after))
        found = [orphan.image for page in pages for orphan in page.orphans if orphan.collection == collection.uuid]
        assert sorted(found) == sorted(image for record in records if (image := image_of(record)) is not None)

    @pytest.mark.parametrize("position", ["é", "", "YWI=", "YSA=", "IGE="])
    def test_a_position_of_no_run_is_an_error_that_says_so(self, stores: Stores, position: str):
        with pytest.raises(ValueError, match="no position"):
            stores.inventory.orphans(datetime.now(UTC), position)


class TestDynamoDBOnTheEmulator(DynamoDBContract):
    @pytest.fixture
    def stores(self, emulator_stores: Stores) -> Stores:
        return emulator_stores


class TestDynamoDBLocal(DynamoDBContract):
    @pytest.fixture
    def stores(self, dynamodb_local_stores: Stores) -> Stores:
        return dynamodb_local_stores
