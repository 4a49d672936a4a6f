"""Explanations of an object's state: one sentence for each case, which says what happens next."""

from collections.abc import Callable

import pytest

from chalicelib.domain.embeddings import ReadFailure
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.files import FileState
from chalicelib.services.explanation import Explanation
from tests.factories import a_record
from tests.fakes.embedder import UNREADABLE
from tests.unit.services.harness import Harness


def explain(world: Harness, key: str | None = "a.jpg") -> Explanation:
    return world.app.explanations.explain(world.current(), key)


def _indexed(world: Harness) -> None:
    world.put("a.jpg")
    world.sync()


def _not_indexed_yet(world: Harness) -> None:
    world.put("a.jpg")


def _replaced(world: Harness) -> None:
    _indexed(world)
    world.put("a.jpg", body=b"another picture")


def _indexed_with_another_model(world: Harness) -> None:
    _indexed(world)
    world.embedder.model = "fake-2+d1"


def _removed_from_the_bucket(world: Harness) -> None:
    _indexed(world)
    world.bucket.delete("a.jpg")


def _removed_and_synced(world: Harness) -> None:
    _removed_from_the_bucket(world)
    world.sync()


def _restored(world: Harness) -> None:
    _removed_and_synced(world)
    world.put("a.jpg")


def _unknown(world: Harness) -> None:
    world.sync()


def _unreadable(world: Harness) -> None:
    world.put("a.jpg", body=UNREADABLE)
    world.sync()


def _unreadable_and_removed(world: Harness) -> None:
    _unreadable(world)
    world.bucket.delete("a.jpg")


def _upload_pending(world: Harness) -> None:
    world.ports.catalogue.save(a_record(world.collection, "a.jpg", state=FileState.PENDING, embedding=None), None)


def _retry_pending(world: Harness) -> None:
    _unreadable(world)
    record = world.record("a.jpg")
    assert record is not None
    world.app.files.retry(world.collection.account, record.uuid)


def _access_denied(world: Harness) -> None:
    _indexed(world)
    world.bucket.denied.add("a.jpg")


def _bucket_unavailable(world: Harness) -> None:
    _indexed(world)
    world.bucket.down = True


def _missing_in_the_store(world: Harness) -> None:
    _indexed(world)
    world.vectors.documents.clear()


@pytest.mark.parametrize(
    ("state", "in_index", "sentence"),
    [
        (_indexed, True, "The object is indexed as it is in the bucket, and searches find it."),
        (_not_indexed_yet, False, "The object has not been indexed yet; the next sync or S3 event indexes it."),
        (
            _replaced,
            True,
            "The object has changed since it was indexed; the next sync or S3 event indexes it again.",
        ),
        (
            _indexed_with_another_model,
            True,
            "The object was indexed with another model; the next sync indexes it again.",
        ),
        (
            _unreadable_and_removed,
            False,
            "The object is gone from the bucket; the next sync or S3 event removes it from the catalogue.",
        ),
        (
            _upload_pending,
            False,
            "The file is pending, by an upload or a retry; its bytes have not arrived yet.",
        ),
        (
            _retry_pending,
            False,
            "The file is pending, by an upload or a retry; its object will be indexed soon.",
        ),
        (
            _removed_from_the_bucket,
            True,
            "The object is gone from the bucket; the next sync or S3 event removes it from the index.",
        ),
        (_removed_and_synced, False, "The bucket has no such object, and it is not indexed."),
        (_restored, False, "The object has not been indexed yet; the next sync or S3 event indexes it."),
        (_unknown, False, "The bucket has no such object, and it is not indexed."),
        (
            _unreadable,
            False,
            "The object could not be read (not_an_image). It is tried again when it changes, or when you ask for it.",
        ),
        (
            _access_denied,
            True,
            "The object cannot be read at the moment: The bucket refuses, as the test wants it. "
            "The index stays as it is.",
        ),
        (
            _bucket_unavailable,
            True,
            "The object cannot be read at the moment: The bucket is down, as the test wants it. "
            "The index stays as it is.",
        ),
        (
            _missing_in_the_store,
            False,
            "The catalogue lists the object as indexed, but searches do not find it: the store must be rebuilt.",
        ),
    ],
)
def test_conclusion_of_each_state(
    world: Harness, state: Callable[[Harness], None], in_index: bool, sentence: str
) -> None:
    state(world)
    explanation = explain(world)
    assert (explanation.in_index, explanation.conclusion) == (in_index, sentence)


@pytest.mark.parametrize(
    "state",
    [
        _not_indexed_yet,
        _replaced,
        _indexed_with_another_model,
        _removed_from_the_bucket,
        _unreadable_and_removed,
        _restored,
    ],
)
def test_next_sync_does_what_the_conclusion_says(world: Harness, state: Callable[[Harness], None]) -> None:
    state(world)
    assert "the next sync" in explain(world).conclusion
    assert world.sync().progress.to_do == 1
    assert "the next sync" not in explain(world).conclusion


def test_object_outside_the_folder_is_never_indexed(world: Harness) -> None:
    nested = world.add("b/")
    world.put("a.jpg")
    explanation = world.app.explanations.explain(nested, "a.jpg")
    assert explanation.conclusion == "The key is outside the collection's folder /b, so it is never indexed."
    assert explanation.current == ReadFailure(
        "outside_folder", "The key is outside the collection's folder.", transient=False
    )


@pytest.mark.parametrize(
    "key", ["a.jpg", "objects/{other}/a.jpg", "uploads/{other}/u", "{own}../{other}/a.jpg", "{own}"]
)
def test_nothing_outside_the_folder_of_a_managed_collection_is_asked_for(world: Harness, key: str) -> None:
    managed, asked = world.add_managed(), []
    world.interleave("sources", "of", lambda: asked.append(key), times=9)
    key = key.format(own=managed.prefix, other="another/one")
    assert isinstance(world.app.explanations.explain(managed, key).current, ReadFailure)
    world.app.explanations.explain(managed, f"{managed.prefix}a.jpg")
    assert len(asked) == 1


def test_explanation_changes_nothing(world: Harness) -> None:
    _replaced(world)
    before = world.everything()
    explain(world)
    assert world.everything() == before


def test_explanation_shows_the_bucket_and_the_catalogue_as_they_are(world: Harness) -> None:
    _access_denied(world)
    explanation = explain(world)
    assert isinstance(explanation.current, ReadFailure) and explanation.current.code == "access_denied"
    assert explanation.record == world.record("a.jpg")


def test_file_is_found_in_the_index_among_many_identical_pictures(world: Harness) -> None:
    world.put(*[f"{number}.jpg" for number in range(30)], "a.jpg", body=b"one")
    world.sync()
    assert explain(world).in_index


@pytest.mark.parametrize("key", [None, "", "é" * 513])
def test_missing_or_overlong_key_is_refused(world: Harness, key: str | None) -> None:
    with pytest.raises(InvalidRequest) as refused:
        explain(world, key)
    assert refused.value.field == "key"
