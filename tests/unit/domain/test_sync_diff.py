"""The rule that decides about an object, and the merge-join of a sync, which uses it.

``indexing_table`` and ``sync_table`` state the same rule apart, as tables, for the index worker and for the sync.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.file_actions import Action, decide, is_same_object
from chalicelib.domain.files import (
    MAX_RETRY_WAIT,
    NO_ETAG,
    OVER_PLAN,
    WAITING_REASONS,
    CatalogueEntry,
    FileRecord,
    FileState,
    ObjectInfo,
)
from chalicelib.domain.sync_diff import CHANGE_KINDS, ChangeKind, Chunk, Difference, RetryBudget, merge_join
from tests.factories import NOW, a_collection, a_record, an_embedding

COLLECTION = a_collection()
MODEL = "fake-1+d1"
KEYS = st.sampled_from(["a", "b", "b/1", "c", "\uff5e", "\U0001f600"])
ETAGS, SIZES = st.sampled_from(["one", "two"]), st.integers(1, 2)
STORED = st.sampled_from([None, NOW, NOW + timedelta(seconds=1), NOW + timedelta(seconds=2), NOW - timedelta(days=1)])
OBJECTS = st.builds(ObjectInfo, st.just("a"), ETAGS, SIZES, STORED)


@st.composite
def records(draw: Callable[..., Any], keys: st.SearchStrategy[str] | None = None) -> FileRecord:
    state = draw(st.sampled_from(FileState))
    reason = draw(st.sampled_from([None, OVER_PLAN, "empty", "access_denied"])) if state is FileState.FAILED else None
    waits = reason in WAITING_REASONS
    return a_record(
        COLLECTION,
        "a" if keys is None else draw(keys),
        state=state,
        etag=draw(ETAGS),
        size=draw(SIZES),
        model=draw(st.sampled_from([MODEL, "fake-2+d1", None])),
        embedding=draw(st.sampled_from([None, an_embedding()])),
        reason=reason,
        failed_since=NOW - timedelta(hours=draw(st.integers(0, 48))) if waits else None,
        modified=draw(st.sampled_from([None, NOW])),
    )


@pytest.mark.parametrize(
    ("seconds", "action"), [(None, Action.NOTHING), (0, Action.NOTHING), (1, Action.NOTHING), (2, Action.REPLACE)]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_without_an_etag_an_object_of_the_same_size_is_another_once_its_time_differs_by_more_than_rounding(
    seconds: int | None, action: Action, sign: int
) -> None:
    record = a_record(COLLECTION, "a", etag=NO_ETAG, size=1, model=MODEL, modified=NOW)
    stored = None if seconds is None else NOW + sign * timedelta(seconds=seconds)
    current = ObjectInfo("a", NO_ETAG, 1, stored)
    assert decide(record.entry, current, MODEL) is action
    assert is_same_object(ObjectInfo("a", NO_ETAG, 1, NOW), current) is (action is Action.NOTHING)
    assert decide(record.entry, replace(current, size=2), MODEL) is Action.REPLACE


def indexing_table(record: FileRecord | None, s3_object: ObjectInfo | None, retry: bool) -> str:
    """What the index worker does about an object."""
    if s3_object is None:
        return "nothing" if record is None or record.state is FileState.REMOVED else "remove"
    if record is None or (record.etag, record.size) != (s3_object.etag, s3_object.size) or record.model != MODEL:
        return "embed"
    if record.state is FileState.REMOVED:
        return "restore" if record.embedding is not None else "embed"
    return "embed" if retry and record.state is FileState.FAILED else "nothing"


def sync_table(entry: CatalogueEntry | None, s3_object: ObjectInfo | None, retry: bool) -> ChangeKind | None:
    """How a sync counts a key that differs."""
    if s3_object is None:
        return None if entry is None or entry.state is FileState.REMOVED else ChangeKind.REMOVE
    if entry is None:
        return ChangeKind.ADD
    if (entry.etag, entry.size) != (s3_object.etag, s3_object.size):
        return ChangeKind.UPDATE
    if entry.state is FileState.REMOVED:
        return ChangeKind.ADD
    if entry.model != MODEL:
        return ChangeKind.UPDATE
    if retry and entry.state is FileState.FAILED:
        return ChangeKind.RETRY
    times = (NOW + timedelta(seconds=2), NOW - timedelta(days=1))
    return ChangeKind.UPDATE if entry.modified is not None and s3_object.modified in times else None


def _step(action: Action, record: FileRecord | None) -> str:
    """The step of the index worker that an action stands for."""
    if action is Action.RESTORE:
        assert record is not None
        return "restore" if record.embedding is not None else "embed"
    return {Action.NOTHING: "nothing", Action.FOLLOW: "nothing", Action.REMOVE: "remove"}.get(action, "embed")


@given(st.none() | records(), st.none() | OBJECTS, st.booleans())
def test_the_rule_decides_for_index_workers_and_syncs_alike(
    record: FileRecord | None, s3_object: ObjectInfo | None, retry: bool
) -> None:
    entry = record.entry if record else None
    action = decide(entry, s3_object, MODEL, retry=retry)
    assert _step(action, record) == indexing_table(record, s3_object, retry)
    assert CHANGE_KINDS.get(action) == sync_table(entry, s3_object, retry)


def test_a_returned_object_counts_as_added_whatever_its_tombstones_model() -> None:
    s3_object = ObjectInfo("a", "one", 1)
    for model, action in ((MODEL, Action.RESTORE), ("fake-2+d1", Action.ADD)):
        tombstone = a_record(COLLECTION, "a", state=FileState.REMOVED, etag="one", size=1, model=model)
        assert decide(tombstone.entry, s3_object, MODEL) is action
        assert CHANGE_KINDS[action] is ChangeKind.ADD


def test_every_action_but_nothing_is_a_kind_of_change() -> None:
    assert CHANGE_KINDS.keys() == set(Action) - {Action.NOTHING}


def _expected(
    objects: dict[str, ObjectInfo], entries: dict[str, CatalogueEntry], retries: RetryBudget
) -> list[Difference]:
    differences, over_plan, waiting = [], retries.over_plan, retries.waiting
    for key in sorted(objects.keys() | entries.keys()):
        s3_object, entry = objects.get(key), entries.get(key)
        kind = sync_table(entry, s3_object, retries.everything)
        unchanged = kind is None and s3_object is not None and entry is not None
        if unchanged and entry is not None and entry.over_plan and over_plan > 0:
            kind, over_plan = ChangeKind.RETRY, over_plan - 1
        retry_at = entry.retry_at if unchanged and entry is not None else None
        if retry_at is not None and waiting > 0 and (retries.due is None or retry_at <= retries.due):
            kind, waiting = ChangeKind.RETRY, waiting - 1
        if kind is not None:
            indexed = s3_object is None and entry is not None and entry.state is FileState.INDEXED
            differences.append(Difference(key, kind, s3_object, indexed))
    return differences


@given(
    st.dictionaries(KEYS, st.tuples(ETAGS, SIZES, STORED)),
    st.lists(records(KEYS), unique_by=lambda record: record.key),
    st.booleans(),
    st.tuples(st.integers(0, 3), st.integers(0, 3), st.none() | st.integers(0, 48)),
    st.integers(1, 4),
)
def test_a_merge_join_compares_every_key_once_and_retries_failed_files_within_its_budget(
    listed: dict[str, tuple[str, int, datetime | None]],
    stored: list[FileRecord],
    retry: bool,
    budget: tuple[int, int, int | None],
    chunk_keys: int,
) -> None:
    over_plan, waiting, hours = budget
    due = NOW + timedelta(hours=hours) if hours is not None else None
    expected = RetryBudget(retry, over_plan, waiting, due)

    objects = {key: ObjectInfo(key, *identity) for key, identity in listed.items()}
    entries = {record.key: record.entry for record in stored}
    chunks = list(
        merge_join(
            [objects[key] for key in sorted(objects)],
            [entries[key] for key in sorted(entries)],
            MODEL,
            RetryBudget(retry, over_plan, waiting, due),
            chunk_keys=chunk_keys,
        )
    )
    keys = sorted(objects.keys() | entries.keys())
    differences = [difference for chunk in chunks for difference in chunk.differences]
    assert differences == _expected(objects, entries, expected)
    assert sum(chunk.listed for chunk in chunks) == len(objects)
    assert sum(chunk.scanned for chunk in chunks) == len(keys)
    assert [chunk.scanned for chunk in chunks[:-1]] == [chunk_keys] * (len(chunks) - 1)
    last_keys = [*keys[chunk_keys - 1 :: chunk_keys], *keys[-1:]][: len(chunks)]
    assert [chunk.last_key for chunk in chunks] == last_keys


def test_an_empty_bucket_without_records_has_no_chunk() -> None:
    assert list[Chunk](merge_join([], [], MODEL, RetryBudget())) == []


@given(st.lists(st.integers(1, 400), min_size=1, max_size=12), st.sampled_from(sorted(WAITING_REASONS)))
def test_a_waiting_file_is_due_at_once_and_then_after_as_long_as_it_has_waited_but_within_days(
    hours: list[int], reason: str
) -> None:
    record = a_record(COLLECTION, "a", embedding=None).as_failed(MODEL, reason, "")
    assert record.retry_at == NOW
    since = NOW
    for span in hours:
        now = record.updated_at + timedelta(hours=span)
        record = record.next_revision(now).as_failed(MODEL, reason, "")
        assert record.retry_at == now + min(now - since, MAX_RETRY_WAIT)
    assert record.next_revision(NOW).as_failed(MODEL, "not_an_image", "").retry_at is None
