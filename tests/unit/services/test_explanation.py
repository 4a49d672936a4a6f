"""Why an object is, or is not, found: one sentence for each case, and it says what follows."""

from collections.abc import Callable

import pytest

from chalicelib.domain.embeddings import ReadFailure
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.files import FileState
from chalicelib.services.explanation import Explanation
from tests.factories import a_record
from tests.fakes.embedder import UNREADABLE
from tests.unit.services.harness import Harness


def explained(world: Harness, key: str | None = "a.jpg") -> Explanation:
    return world.app.explanations.explain(world.current(), key)


def _indexed(world: Harness) -> None:
    world.put("a.jpg")
    world.sync()


def _not_known_yet(world: Harness) -> None:
    world.put("a.jpg")


def _replaced_since(world: Harness) -> None:
    _indexed(world)
    world.put("a.jpg", body=b"another picture")


def _of_another_model(world: Harness) -> None:
    _indexed(world)
    world.embedder.model = "fake-2+d1"


def _removed_since(world: Harness) -> None:
    _indexed(world)
    world.bucket.delete("a.jpg")


def _gone_and_known_to_be(world: Harness) -> None:
    _removed_since(world)
    world.sync()


def _back_since(world: Harness) -> None:
    _gone_and_known_to_be(world)
    world.put("a.jpg")


def _nowhere(world: Harness) -> None:
    world.sync()


def _no_picture(world: Harness) -> None:
    world.put("a.jpg", body=UNREADABLE)
    world.sync()


def _broken_and_removed(world: Harness) -> None:
    _no_picture(world)
    world.bucket.delete("a.jpg")


def _announced(world: Harness) -> None:
    world.ports.catalogue.save(a_record(world.collection, "a.jpg", state=FileState.PENDING, embedding=None), None)


def _tried_again(world: Harness) -> None:
    _no_picture(world)
    record = world.record("a.jpg")
    assert record is not None
    world.app.files.retry(world.collection.account, record.uuid)


def _denied(world: Harness) -> None:
    _indexed(world)
    world.bucket.denied.add("a.jpg")


def _bucket_down(world: Harness) -> None:
    _indexed(world)
    world.bucket.down = True


def _lost_by_the_store(world: Harness) -> None:
    _indexed(world)
    world.vectors.documents.clear()


@pytest.mark.parametrize(
    ("state", "in_index", "sentence"),
    [
        (_indexed, True, "It is indexed as it is in the bucket, and searches find it."),
        (_not_known_yet, False, "The object has not been indexed yet; the next sync or S3's event indexes it."),
        (
            _replaced_since,
            True,
            "The object has changed since it was last looked at; the next sync or S3's event looks at it anew.",
        ),
        (_of_another_model, True, "The object was looked at with another model; the next sync looks at it anew."),
        (
            _broken_and_removed,
            False,
            "The object is gone from the bucket; the next sync or S3's event takes it out of the catalogue.",
        ),
        (
            _announced,
            False,
            "An upload of this name is under way, or it is to be tried again; nothing has arrived yet.",
        ),
        (
            _tried_again,
            False,
            "An upload of this name is under way, or it is to be tried again; its object is looked at soon.",
        ),
        (
            _removed_since,
            True,
            "The object is gone from the bucket; the next sync or S3's event takes it out of the index.",
        ),
        (_gone_and_known_to_be, False, "The bucket has no such object, and it is not indexed."),
        (_back_since, False, "The object has not been indexed yet; the next sync or S3's event indexes it."),
        (_nowhere, False, "The bucket has no such object, and it is not indexed."),
        (
            _no_picture,
            False,
            "It could not be read (not_an_image) and is not tried again until it changes, or you ask for it.",
        ),
        (
            _denied,
            True,
            "It cannot be read just now: The bucket refuses, as the test wants it. What is indexed stays as it is.",
        ),
        (
            _bucket_down,
            True,
            "It cannot be read just now: The bucket is down, as the test wants it. What is indexed stays as it is.",
        ),
        (
            _lost_by_the_store,
            False,
            "The catalogue has it as indexed, but a search does not find it; the store must be filled anew.",
        ),
    ],
)
def test_each_case_has_its_sentence(
    world: Harness, state: Callable[[Harness], None], in_index: bool, sentence: str
) -> None:
    state(world)
    told = explained(world)
    assert (told.in_index, told.conclusion) == (in_index, sentence)


@pytest.mark.parametrize(
    "state", [_not_known_yet, _replaced_since, _of_another_model, _removed_since, _broken_and_removed, _back_since]
)
def test_what_it_says_the_next_sync_will_do_the_next_sync_does(
    world: Harness, state: Callable[[Harness], None]
) -> None:
    state(world)
    assert "the next sync" in explained(world).conclusion
    assert world.sync().progress.to_do == 1
    assert "the next sync" not in explained(world).conclusion


def test_what_lies_outside_the_folder_is_never_looked_at(world: Harness) -> None:
    nested = world.add("b/")
    world.put("a.jpg")
    told = world.app.explanations.explain(nested, "a.jpg")
    assert told.conclusion == "It lies outside the collection's folder /b, so it is never looked at."


def test_nothing_is_changed_by_asking(world: Harness) -> None:
    _replaced_since(world)
    before = world.everything()
    explained(world)
    assert world.everything() == before


def test_each_place_is_quoted_as_it_is(world: Harness) -> None:
    _denied(world)
    told = explained(world)
    assert isinstance(told.found, ReadFailure) and told.found.code == "access_denied"
    assert told.record == world.record("a.jpg")


def test_a_picture_is_found_among_many_doubles(world: Harness) -> None:
    world.put(*[f"{number}.jpg" for number in range(30)], "a.jpg", body=b"one")
    world.sync()
    assert explained(world).in_index


@pytest.mark.parametrize("key", [None, "", "é" * 513])
def test_a_key_that_s3_does_not_have_is_refused(world: Harness, key: str | None) -> None:
    with pytest.raises(InvalidRequest) as refused:
        explained(world, key)
    assert refused.value.field == "key"
