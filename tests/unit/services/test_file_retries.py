"""Failed files are tried again many at a time, as far as there is time."""

from collections.abc import Callable

import pytest

from chalicelib.domain.collections import Collection
from chalicelib.domain.files import FileState
from chalicelib.services import file_retries
from chalicelib.services.file_retries import FileRetryService
from tests.factories import a_collection, a_record
from tests.fakes.application import FakeAdapters, services_on


@pytest.fixture
def adapters() -> FakeAdapters:
    return FakeAdapters.fresh()


@pytest.fixture
def retries(adapters: FakeAdapters) -> FileRetryService:
    return services_on(adapters).file_retries


@pytest.fixture
def collection(adapters: FakeAdapters) -> Collection:
    collection = a_collection()
    adapters.collections.add(collection)
    return collection


def add_failed(adapters: FakeAdapters, collection: Collection, count: int, reason: str) -> None:
    for number in range(count):
        key = f"{collection.prefix}{reason}/{number:04}.jpg"
        adapters.catalogue.save(a_record(collection, key, embedding=None, state=FileState.FAILED, reason=reason), None)


def plenty() -> Callable[[], float]:
    return lambda: 20.0


def states(adapters: FakeAdapters, collection: Collection) -> dict[str, int]:
    found: dict[str, int] = {}
    for state in FileState:
        records = adapters.catalogue.page(collection.uuid, state, after=None, limit=10_000).records
        found |= {state.value: len(records)} if records else {}
    return found


def test_all_files_of_a_reason_are_pending_and_sent_in_batches(
    adapters: FakeAdapters, retries: FileRetryService, collection: Collection
) -> None:
    add_failed(adapters, collection, 120, "archived")
    add_failed(adapters, collection, 3, "empty")

    assert retries.retry(collection, "archived", plenty()) == 120
    assert states(adapters, collection) == {"pending": 120, "failed": 3}
    sent = [hint.key for batch in adapters.queues.changes for hint in batch.hints]
    assert len(sent) == len(set(sent)) == 120
    assert retries.retry(collection, None, plenty()) == 3


def test_one_request_tries_a_thousand_files_and_the_next_one_goes_on(
    adapters: FakeAdapters, retries: FileRetryService, collection: Collection
) -> None:
    add_failed(adapters, collection, file_retries.MAX_FILES + 60, "archived")

    assert retries.retry(collection, None, plenty()) == file_retries.MAX_FILES
    assert retries.retry(collection, None, plenty()) == 60


def test_without_time_nothing_is_begun(
    adapters: FakeAdapters, retries: FileRetryService, collection: Collection
) -> None:
    add_failed(adapters, collection, 3, "archived")

    assert retries.retry(collection, None, lambda: 0.0) == 0
    assert adapters.queues.changes == []


def test_a_file_that_another_worker_writes_meanwhile_is_left_to_it_and_not_counted(
    adapters: FakeAdapters, retries: FileRetryService, collection: Collection
) -> None:
    add_failed(adapters, collection, 2, "archived")
    key = f"{collection.prefix}archived/0000.jpg"

    class Racing:
        """Writes the first file between the reading of a page and the saving."""

        def page(self, *args: object, **options: object) -> object:
            page = adapters.catalogue.page(*args, **options)
            record = adapters.catalogue.get(collection.uuid, key)
            adapters.catalogue.save(record.next_revision(adapters.clock()).as_pending(), record)
            return page

        def save_all(self, writes: object) -> object:
            return adapters.catalogue.save_all(writes)

    raced = FileRetryService(Racing(), adapters.queues, adapters.clock)  # type: ignore[arg-type]
    assert raced.retry(collection, None, plenty()) == 1
    assert states(adapters, collection) == {"pending": 2}


def test_files_whose_retry_cannot_be_sent_stay_failed(
    adapters: FakeAdapters, retries: FileRetryService, collection: Collection
) -> None:
    add_failed(adapters, collection, 3, "archived")
    adapters.queues.down = True

    with pytest.raises(ConnectionError):
        retries.retry(collection, None, plenty())
    assert states(adapters, collection) == {"failed": 3}
