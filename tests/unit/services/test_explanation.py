"""Explanations of an object's state: one sentence for each case, which says what happens next."""

import unicodedata
from collections.abc import Callable

import pytest

from chalicelib.domain.embeddings import ReadFailure
from chalicelib.domain.errors import InvalidRequest, UnreadablePicture
from chalicelib.domain.files import FileState
from chalicelib.domain.uploads import NewUpload, UploadCheck
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


def _readable_again(world: Harness) -> None:
    world.put("a.jpg")
    world.bucket.denied.add("a.jpg")
    world.sync()
    world.bucket.denied.clear()


def _bucket_unavailable(world: Harness) -> None:
    _indexed(world)
    world.bucket.down = True


def _missing_in_the_store(world: Harness) -> None:
    _indexed(world)
    world.vectors.documents.clear()


def _excluded(world: Harness) -> str:
    world.change(exclude=("*.png", "drafts/"))
    world.put("drafts/a.jpg")
    return "drafts/a.jpg"


def _fallen_out(world: Harness) -> None:
    _indexed(world)
    world.change(include=("*.png",))


def _film(world: Harness) -> str:
    world.put("film.mp4")
    return "film.mp4"


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
            _readable_again,
            False,
            "The object could not be read when it was last tried (access_denied). The cause lies outside it: syncs try "
            "it again until they can read it.",
        ),
        (
            _bucket_unavailable,
            True,
            "The object cannot be read at the moment: The bucket is down, as the test wants it. "
            "The index stays as it is.",
        ),
        (_excluded, False, "The pattern 'drafts/' excludes the object, so it is never indexed."),
        (_fallen_out, True, "No pattern of include matches the object, so the next sync removes it from the index."),
        (_film, False, "By its extension and size the object is no picture, so it is never indexed."),
        (
            _missing_in_the_store,
            False,
            "The catalogue lists the object as indexed, but searches do not find it: the store must be rebuilt.",
        ),
    ],
)
def test_conclusion_of_each_state(
    world: Harness, state: Callable[[Harness], str | None], in_index: bool, sentence: str
) -> None:
    key = state(world) or "a.jpg"
    explanation = explain(world, key)
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
    assert explanation.conclusion == (
        "The key is outside the collection's folder /b, so it is never indexed. Keys in the folder begin with 'b/'."
    )
    assert explanation.current == ReadFailure(
        "outside_folder", "The key is outside the collection's folder.", transient=False
    )


@pytest.mark.parametrize("key", ["objects/{other}/a.jpg", "uploads/{other}/u", "{own}../{other}/a.jpg", "{own}"])
def test_nothing_outside_the_folder_of_a_managed_collection_is_asked_for(world: Harness, key: str) -> None:
    managed, asked = world.add_managed(), []
    world.interleave("sources", "of", lambda: asked.append(key), times=9)
    key = key.format(own=managed.prefix, other="another/one")
    assert isinstance(world.app.explanations.explain(managed, key).current, ReadFailure)
    world.app.explanations.explain(managed, f"{managed.prefix}a.jpg")
    assert len(asked) == 1


def test_key_with_a_leading_slash_is_corrected(world: Harness) -> None:
    nested = world.add("b/")
    world.put("a.jpg", "b/a.jpg")
    world.sync()
    assert world.app.explanations.explain(nested, "/b/a.jpg").conclusion == (
        "The key is outside the collection's folder /b, so it is never indexed. "
        "Keys in S3 do not begin with the slash of a path: 'b/a.jpg' is in the folder."
    )
    assert explain(world, "/a.jpg").conclusion == (
        "The bucket has no such object, and it is not indexed. Keys in S3 rarely begin with a slash: try 'a.jpg'."
    )


def test_object_whose_key_really_begins_with_a_slash_is_explained_as_any_other(world: Harness) -> None:
    world.put("/a.jpg")
    world.sync()
    assert explain(world, "/a.jpg").conclusion == "The object is indexed as it is in the bucket, and searches find it."


def test_key_that_ends_in_a_slash_represents_a_folder(world: Harness) -> None:
    sentence = "A key that ends in a slash stands for a folder, so it is never indexed; what lies in the folder is."
    world.put("a/", body=b"")
    for key in ("a/", "b/"):
        assert explain(world, key).conclusion == sentence
    assert explain(world, "a/").current == world.bucket.info("a/")


def test_object_with_bytes_whose_key_ends_in_a_slash_is_ignored_and_explained(world: Harness) -> None:
    world.put("a.jpg/", body=b"a picture")
    world.put("folder/", body=b"")
    assert world.sync().progress.ignored == 1
    assert explain(world, "a.jpg/").conclusion == (
        "A key that ends in a slash stands for a folder, so this object of 9 bytes is never indexed. Copy it to a key "
        "without the slash at its end."
    )


def test_folder_outside_the_collections_is_not_told_of(world: Harness) -> None:
    nested = world.add("b/")
    world.put("a/", body=b"a picture")
    explanation = world.app.explanations.explain(nested, "a/")
    assert isinstance(explanation.current, ReadFailure)
    assert explanation.conclusion.startswith("The key is outside the collection's folder /b")


def test_bucket_that_is_gone_is_told_from_an_object_that_is(world: Harness) -> None:
    world.put("a.jpg")
    world.sync()
    del world.ports.sources.buckets[world.collection.bucket]
    assert explain(world).conclusion == (
        "The object cannot be read at the moment: There is no such bucket. The index stays as it is."
    )


@pytest.mark.parametrize("name", ["owl.jpg", "Mäuse.jpg", "2024/summer/owl.jpg"])
def test_managed_file_is_explained_by_its_path_and_by_its_key_alike(world: Harness, name: str) -> None:
    managed = world.add_managed()
    world.app.uploads.upload(world.caller, managed, name, b"a picture")
    by_name = world.app.explanations.explain(managed, name)
    assert by_name == world.app.explanations.explain(managed, managed.prefix + name)
    assert by_name == world.app.explanations.explain(managed, unicodedata.normalize("NFD", name))
    assert by_name.key == managed.prefix + name
    assert by_name.conclusion == "The object is indexed as it is in the bucket, and searches find it."


def test_path_in_a_managed_collection_is_corrected_to_the_file_name(world: Harness) -> None:
    managed = world.add_managed()
    explanation = world.app.explanations.explain(managed, "/photos/owl.jpg")
    assert explanation.conclusion == (
        f"The key is outside the collection's folder {managed.folder}, so it is never indexed. "
        "Name a file of this collection as it was uploaded: 'owl.jpg'."
    )


def test_upload_that_was_refused_at_once_is_explained_by_its_response(world: Harness) -> None:
    managed = world.add_managed()
    with pytest.raises(UnreadablePicture):
        world.app.uploads.upload(world.caller, managed, "owl.jpg", UNREADABLE)
    assert world.app.explanations.explain(managed, "owl.jpg").conclusion == (
        "The collection has no file of this name. If an upload of it was refused, the response to that upload has the "
        "reason."
    )


def test_upload_that_was_prepared_and_refused_is_explained_with_its_reason(world: Harness) -> None:
    managed = world.add_managed()
    bucket = world.ports.sources.bucket(managed.bucket)
    new = NewUpload("owl.jpg", len(UNREADABLE), "image/jpeg")
    upload = world.app.uploads.prepare(world.caller, managed, new).upload
    pending = world.app.explanations.explain(managed, "owl.jpg").conclusion
    assert pending == "The file is pending, by an upload or a retry; its bytes have not arrived yet."
    bucket.put(upload.staged_key, UNREADABLE)
    world.app.upload_completion.poll(UploadCheck(upload.ref))
    assert world.app.explanations.explain(managed, "owl.jpg").conclusion == (
        "The collection has no file of this name. Its last upload failed (not_an_image: the file is not an image)."
    )


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
