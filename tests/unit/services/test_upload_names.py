"""No upload overwrites another picture unasked, and the same picture under one name is one file."""

from collections.abc import Sequence
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import FileExists
from chalicelib.domain.uploads import CompletedUpload, NameRule, NewUpload
from tests.unit.services.upload_harness import ACCOUNT, LIMITS, Fault, FaultKind, UploadHarness

MOST_MOMENTS = 60
steps = st.lists(
    st.tuples(st.sampled_from(["upload", "prepare", "complete", "deliver"]), st.integers(0, 4)), max_size=30
)


@pytest.fixture
def harness() -> UploadHarness:
    return UploadHarness({"files": 1000, "managed_bytes": 10**6, "uploads_a_month": 1000})


def upload(
    harness: UploadHarness, body: bytes, rule: NameRule = NameRule.NUMBER, name: str = "a.jpg"
) -> CompletedUpload:
    return harness.uploads.upload(harness.caller, harness.collection, name, body, rule)


def contents(harness: UploadHarness) -> dict[str, bytes]:
    prefix = harness.collection.prefix
    return {key.removeprefix(prefix): body for key, body in harness.bucket.objects.items() if key.startswith(prefix)}


def test_another_picture_of_a_name_is_stored_beside_it(harness: UploadHarness) -> None:
    results = [upload(harness, body) for body in (b"one", b"two", b"three")]
    assert [result.path for result in results] == ["a.jpg", "a (1).jpg", "a (2).jpg"]
    assert {result.replaced for result in results} == {False}
    assert contents(harness) == {"a.jpg": b"one", "a (1).jpg": b"two", "a (2).jpg": b"three"}


def test_a_repeated_upload_is_the_same_file_is_not_embedded_anew_and_costs_nothing(harness: UploadHarness) -> None:
    first, second = upload(harness, b"one"), upload(harness, b"two")
    usage, embedded = harness.quota_ledger.usage(ACCOUNT, "2026-03"), list(harness.embedder.embedded)
    for rule in (NameRule.NUMBER, NameRule.REPLACE):
        assert upload(harness, b"one", rule) == first
    assert upload(harness, b"two") == second
    assert harness.quota_ledger.usage(ACCOUNT, "2026-03") == usage
    assert harness.embedder.embedded == embedded


def test_an_upload_may_be_repeated_though_the_plan_allows_no_more() -> None:
    harness = UploadHarness(LIMITS | {"files": 2})
    first, second = upload(harness, b"one"), upload(harness, b"two")
    assert [upload(harness, body) for body in (b"one", b"two")] == [first, second]


def test_an_upload_in_two_steps_of_a_stored_picture_is_that_file_and_costs_nothing(harness: UploadHarness) -> None:
    first = upload(harness, b"one")
    usage, embedded = harness.quota_ledger.usage(ACCOUNT, "2026-03"), list(harness.embedder.embedded)
    assert harness.prepare("a.jpg", b"one")
    assert harness.send(0)
    for _ in range(2):
        assert harness.uploads.complete(harness.collection, harness.sent[0].upload.id) == first
    assert harness.quota_ledger.usage(ACCOUNT, "2026-03") == usage
    assert harness.embedder.embedded == embedded


def test_an_upload_that_replaces_says_so_each_time_it_is_completed(harness: UploadHarness) -> None:
    assert not upload(harness, b"one", NameRule.REPLACE).replaced
    assert upload(harness, b"two", NameRule.REPLACE).replaced
    assert harness.prepare("a.jpg", b"three", NameRule.REPLACE)
    assert harness.send(0)
    results = {harness.uploads.complete(harness.collection, harness.sent[0].upload.id) for _ in range(2)}
    assert [(result.path, result.replaced) for result in results] == [("a.jpg", True)]
    assert contents(harness) == {"a.jpg": b"three"}


@pytest.mark.parametrize("body", [b"one", b"two"])
def test_an_upload_that_refuses_names_the_file_that_is_there(harness: UploadHarness, body: bytes) -> None:
    first = upload(harness, b"one")
    record = harness.catalogue.get(harness.collection.uuid, harness.collection.prefix + "a.jpg")
    new = NewUpload("a.jpg", 3, "image/jpeg", NameRule.REFUSE)
    for act in (
        lambda: upload(harness, body, NameRule.REFUSE),
        lambda: harness.uploads.prepare(harness.caller, harness.collection, new),
    ):
        with pytest.raises(FileExists) as refused:
            act()
        assert (refused.value.uuid, refused.value.md5) == (first.uuid, record.embedding.md5)


def test_a_file_that_was_stored_after_an_upload_was_prepared_is_named_each_time(harness: UploadHarness) -> None:
    assert harness.prepare("a.jpg", b"two", NameRule.REFUSE)
    first = upload(harness, b"one")
    assert harness.send(0)
    for _ in range(2):
        with pytest.raises(FileExists) as refused:
            harness.uploads.complete(harness.collection, harness.sent[0].upload.id)
        assert refused.value.uuid == first.uuid
        assert refused.value.md5
    assert contents(harness) == {"a.jpg": b"one"}


def test_the_name_of_a_deleted_file_is_free_again(harness: UploadHarness) -> None:
    upload(harness, b"one")
    upload(harness, b"two")
    assert harness.delete("a.jpg")
    assert upload(harness, b"two").path == "a.jpg"
    assert upload(harness, b"three").path == "a (2).jpg"


def test_a_name_that_many_pictures_have_costs_few_reads_and_holds_them_all(harness: UploadHarness) -> None:
    paths = [upload(harness, f"picture {number}".encode(), name="blob").path for number in range(120)]
    assert len(set(paths)) == 120
    assert paths[99] == "blob (99)"
    assert paths[100].startswith("blob (") and len(paths[100]) == len("blob ()") + 32
    assert [upload(harness, f"picture {number}".encode(), name="blob").path for number in (0, 50, 110)] == [
        paths[number] for number in (0, 50, 110)
    ]


@given(steps)
def test_in_any_order_each_picture_of_a_name_is_one_file(steps: Sequence[tuple[str, int]]) -> None:
    harness = UploadHarness({"files": 1000, "managed_bytes": 10**6, "uploads_a_month": 1000})
    bodies: set[bytes] = set()
    for action, number in steps:
        body = bytes([number]) * 9
        if action == "upload":
            assert upload(harness, body).path
            bodies.add(body)
        elif action == "prepare":
            assert harness.prepare("a.jpg", body)
            assert harness.send(0)
            bodies.add(body)
        elif action == "complete":
            harness.complete(number)
        else:
            harness.deliver(number)
    harness.finish_everything()
    assert sorted(contents(harness).values()) == sorted(bodies)
    if steps and bodies:
        harness.check_consistency()


@pytest.mark.parametrize("moment", range(MOST_MOMENTS))
@pytest.mark.parametrize("others", [[b"one"], [b"two"], [b"two", b"one"], [b"two", b"two"]])
def test_uploads_that_are_completed_between_two_calls_of_another_share_no_name(
    harness: UploadHarness, moment: int, others: list[bytes]
) -> None:
    for body in others:
        assert harness.prepare("a.jpg", body)
    assert harness.upload("a.jpg", b"one", fault=Fault(FaultKind.OVERTAKEN, moment))
    while harness.send(0):
        pass
    harness.finish_everything()
    harness.check_consistency()
    assert sorted(contents(harness).values()) == sorted({b"one", *others})


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("moment", range(0, MOST_MOMENTS, 2))
def test_an_interrupted_completion_leaves_no_picture_twice(
    harness: UploadHarness, order: Sequence[int], moment: int
) -> None:
    for body in (b"one", b"two", b"two"):
        assert harness.prepare("a.jpg", body)
    while harness.send(0):
        pass
    harness.complete(order[0], Fault(FaultKind.KILLED, moment))
    for number in order[1:]:
        harness.complete(number)
    harness.finish_everything()
    harness.check_consistency()
    assert sorted(contents(harness).values()) == [b"one", b"two"]
