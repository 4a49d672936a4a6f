"""Thumbnails in several sizes: made when they are first asked for, kept, and deleted with the one of medium size."""

from dataclasses import replace

import pytest

from chalicelib.domain.errors import NotFound
from chalicelib.domain.files import FileRecord
from chalicelib.domain.thumbnails import ThumbnailSize, ThumbnailToMake, size_of
from chalicelib.services.maintenance.orphaned_thumbnails import ORPHAN_MIN_AGE
from chalicelib.services.thumbnails import ThumbnailService
from tests.fakes.embedder import FakeEmbedder
from tests.unit.services.harness import Harness

SMALL, MEDIUM, LARGE = ThumbnailSize
PICTURE = b"picture of a.jpg"


class Shown:
    """An indexed picture of 640 by 480 pixels in a connected bucket."""

    def __init__(self, world: Harness) -> None:
        self.world = world
        world.put("a.jpg")
        world.sync()

    @property
    def record(self) -> FileRecord:
        record = self.world.record("a.jpg")
        assert record is not None and record.thumbnail is not None
        return record

    @property
    def service(self) -> ThumbnailService:
        return self.world.app.thumbnails

    @property
    def embedder(self) -> FakeEmbedder:
        embedder: FakeEmbedder = self.world.ports.embedder
        return embedder

    def stored(self) -> set[ThumbnailSize]:
        record, storage = self.record, self.world.ports.storage
        return {size for size in ThumbnailSize if storage.thumbnail(record.collection, record.thumbnail, size)}


@pytest.fixture
def shown(world: Harness) -> Shown:
    return Shown(world)


def test_the_medium_size_is_there_without_another_call_of_the_embedder(shown: Shown) -> None:
    thumbnail = shown.service.get(shown.record, MEDIUM)
    assert (thumbnail.jpeg, thumbnail.size) == (b"thumbnail of " + PICTURE, MEDIUM)
    assert shown.embedder.resized == []


def test_a_larger_size_is_made_of_the_original_once_and_kept(shown: Shown) -> None:
    for _ in range(2):
        thumbnail = shown.service.get(shown.record, LARGE)
        assert (thumbnail.jpeg, thumbnail.size) == (b"1024 pixels of " + PICTURE, LARGE)
    assert shown.embedder.resized == [LARGE]


def test_a_smaller_size_is_made_of_the_stored_thumbnail_and_not_of_the_original(shown: Shown) -> None:
    shown.world.bucket.delete("a.jpg")
    assert shown.service.get(shown.record, SMALL).jpeg == b"256 pixels of thumbnail of " + PICTURE
    assert shown.stored() == {SMALL, MEDIUM}


def test_each_size_has_a_tag_of_its_own_that_is_known_beforehand(shown: Shown) -> None:
    tags = {size: shown.service.get(shown.record, size).tag for size in ThumbnailSize}
    assert tags == {size: shown.service.tag(shown.record, size) for size in ThumbnailSize}
    assert len(set(tags.values())) == len(ThumbnailSize)


@pytest.mark.parametrize(
    ("width", "height", "sizes"),
    [
        (200, 256, (MEDIUM, MEDIUM, MEDIUM)),
        (512, 100, (SMALL, MEDIUM, MEDIUM)),
        (100, 513, (SMALL, MEDIUM, LARGE)),
    ],
)
def test_a_size_that_would_have_the_same_pixels_is_not_made(
    width: int, height: int, sizes: tuple[ThumbnailSize, ...]
) -> None:
    assert tuple(size_of(width, height, wanted) for wanted in ThumbnailSize) == sizes


def test_a_picture_that_was_replaced_in_its_bucket_gets_no_thumbnail_of_the_new_one(shown: Shown) -> None:
    shown.world.put("a.jpg", body=b"another picture")  # and no sync has seen it yet
    thumbnail = shown.service.get(shown.record, LARGE)
    assert (thumbnail.jpeg, thumbnail.size) == (b"thumbnail of " + PICTURE, MEDIUM)
    assert shown.stored() == {MEDIUM}


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_without_the_embedder_the_medium_size_stands_in_and_says_so(shown: Shown, size: ThumbnailSize) -> None:
    shown.embedder.down = True
    thumbnail = shown.service.get(shown.record, size)
    assert (thumbnail.jpeg, thumbnail.size) == (b"thumbnail of " + PICTURE, MEDIUM)
    assert thumbnail.tag == shown.service.tag(shown.record, MEDIUM)
    shown.embedder.down = False
    assert shown.service.get(shown.record, size).size is size


def test_a_source_that_may_no_longer_be_read_leaves_the_medium_size(shown: Shown) -> None:
    shown.world.bucket.delete("a.jpg")
    assert shown.service.get(shown.record, LARGE).size is MEDIUM


class TestDeletion:
    def make_all(self, shown: Shown) -> FileRecord:
        for size in ThumbnailSize:
            shown.service.get(shown.record, size)
        return shown.record

    def test_a_replaced_picture_takes_all_sizes_with_it(self, shown: Shown) -> None:
        self.make_all(shown)
        shown.world.put("a.jpg", body=b"another picture")
        shown.world.sync()
        assert shown.world.ports.storage.resized == {}
        assert shown.stored() == {MEDIUM}

    def test_another_model_makes_the_sizes_anew(self, shown: Shown) -> None:
        before = self.make_all(shown)
        shown.embedder.model = "fake-2+d1"
        shown.world.sync()
        assert shown.record.thumbnail != before.thumbnail
        assert shown.world.ports.storage.resized == {}
        assert shown.service.get(shown.record, LARGE).size is LARGE

    def test_an_orphan_is_deleted_in_all_sizes(self, shown: Shown) -> None:
        record = self.make_all(shown)
        shown.world.ports.catalogue.records.clear()
        shown.world.clock.pass_by(2 * ORPHAN_MIN_AGE)
        assert shown.world.app.orphaned_thumbnails.delete(shown.world.current()) == 1
        assert (record.collection, record.thumbnail) not in shown.world.ports.storage.resized

    @pytest.mark.parametrize("size", [SMALL, LARGE])
    def test_one_that_was_made_while_its_file_was_deleted_is_deleted_too(
        self, world: Harness, size: ThumbnailSize
    ) -> None:
        collection = world.add_managed()
        world.app.uploads.upload(world.caller, collection, "a.jpg", b"a picture")
        record = world.record(f"{collection.prefix}a.jpg", collection)
        assert record is not None
        a = world.ports

        class LateEmbedder:
            """Deletes the file after it has read the picture, before it stores the thumbnail."""

            def make_thumbnail(self, thumbnail: ThumbnailToMake) -> None:
                world.app.files.delete(collection.account, record.uuid)
                a.storage.receive(thumbnail.upload_url, b"a late thumbnail")

        service = ThumbnailService(a.collections, a.catalogue, a.sources, a.storage, LateEmbedder())  # type: ignore[arg-type]
        with pytest.raises(NotFound):
            service.get(record, size)
        assert (a.storage.thumbnails, a.storage.resized) == ({}, {})


def test_a_record_without_a_thumbnail_has_none_in_any_size(shown: Shown) -> None:
    for size in ThumbnailSize:
        with pytest.raises(NotFound):
            shown.service.get(replace(shown.record, thumbnail=None), size)
