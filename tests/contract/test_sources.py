"""The contract of every source of objects.

``test_buckets.py`` runs it on the fakes and on S3, with what S3 promises beyond it, and
``tests/integration/test_storage_servers.py`` on servers of other makers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import uuid4

import pytest
import requests

from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import OutsideFolder, SourceDenied
from chalicelib.domain.file_actions import MODIFIED_TOLERANCE
from chalicelib.domain.files import ObjectInfo
from chalicelib.services.ports import Source, Sources
from tests.factories import AWKWARD_KEYS

NAME_LIMIT = 255  # bytes of a file's name


@dataclass(frozen=True, kw_only=True)
class SourcesSubject:
    """Sources, and what a test does to buckets without them.

    ``collection_on`` is a collection on a bucket and a prefix, ``put`` stores an object in ``bucket``, ``put_all``
    empty ones of many keys, and ``download`` uses a presigned URL. ``is_of_files`` is of a server that keeps each
    object as a file: then there is no object ``a`` beside ``a/b``. ``sorts_by_utf_16`` is of one that does not list by
    bytes as soon as a key has a character beyond U+FFFF.
    """

    sources: Sources
    bucket: str
    collection_on: Callable[[str, str], Collection]
    put: Callable[[str, bytes], None]
    put_all: Callable[[Sequence[str]], None]
    download: Callable[[str], bytes]
    is_of_files: bool = False
    sorts_by_utf_16: bool = False

    def source(self, prefix: str, bucket: str | None = None) -> Source:
        return self.sources.of(self.collection_on(bucket or self.bucket, prefix))


class SourcesContract:
    @pytest.fixture
    def subject(self) -> SourcesSubject:
        raise NotImplementedError

    @pytest.fixture
    def prefix(self) -> str:
        return f"{uuid4().hex}/"

    def test_a_listing_has_the_keys_under_the_prefix_in_the_order_of_their_bytes(
        self, subject: SourcesSubject, prefix: str
    ):
        keys = [prefix + key for key in AWKWARD_KEYS if len((prefix + key).encode()) <= 1024]
        if subject.sorts_by_utf_16:
            keys = [key for key in keys if max(key) <= "\uffff"]
        if subject.is_of_files:
            keys = [key for key in keys if is_path_of_file(key, keys)]
        for key in reversed(keys):
            subject.put(key, b"a picture")
        subject.put(f"{prefix[:-1]}-beside/x", b"not under the prefix")
        source = subject.source(prefix)
        assert [listed.key for listed in source.list_objects(None)] == keys
        for position, key in enumerate(keys):
            assert [listed.key for listed in source.list_objects(key)] == keys[position + 1 :]

    def test_a_listing_that_is_not_in_the_order_of_bytes_is_refused_before_a_key_is_taken_for_removed(
        self, subject: SourcesSubject, prefix: str
    ):
        keys = [f"{prefix}\uff5e", f"{prefix}\U0001f600"]
        for key in keys:
            subject.put(key, b"a picture")
        listing = subject.source(prefix).list_objects(None)
        if subject.sorts_by_utf_16:
            with pytest.raises(SourceDenied, match="order of their keys' UTF-8 bytes"):
                list(listing)
        else:
            assert [listed.key for listed in listing] == keys

    def test_a_listing_continues_over_pages(self, subject: SourcesSubject, prefix: str):
        keys = [f"{prefix}{number:04}" for number in range(1005)]
        subject.put_all(keys)
        assert [listed.key for listed in subject.source(prefix).list_objects(None)] == keys

    def test_a_listing_and_a_head_return_the_same_object(self, subject: SourcesSubject, prefix: str):
        subject.put(f"{prefix}a b+ü.jpg", b"a picture")
        source = subject.source(prefix)
        (listed,) = source.list_objects(None)
        assert (listed.key, listed.size) == (f"{prefix}a b+ü.jpg", 9)
        assert source.head_objects([listed.key, f"{prefix}none"]) == {listed.key: listed, f"{prefix}none": None}

    def test_other_bytes_of_the_same_size_are_another_object(self, subject: SourcesSubject, prefix: str):
        source = subject.source(prefix)
        subject.put(f"{prefix}a.jpg", b"a picture")
        (before,) = source.list_objects(None)
        subject.put(f"{prefix}a.jpg", b"b picture")
        (after,) = source.list_objects(None)
        assert before != after

    def test_a_listing_and_a_head_agree_within_a_second_when_an_object_was_stored(
        self, subject: SourcesSubject, prefix: str
    ):
        subject.put(f"{prefix}a.jpg", b"a picture")
        source = subject.source(prefix)
        (listed,), head = source.list_objects(None), source.head_objects([f"{prefix}a.jpg"])[f"{prefix}a.jpg"]
        assert isinstance(head, ObjectInfo) and listed.modified is not None and head.modified is not None
        assert head.modified.utcoffset() == timedelta()
        assert abs(listed.modified - head.modified) <= MODIFIED_TOLERANCE
        assert listed.metadata is None and head.metadata is not None

    def test_listing_a_bucket_that_does_not_exist_is_denied(self, subject: SourcesSubject):
        with pytest.raises(SourceDenied):
            list(subject.source("", bucket=f"missing-{uuid4().hex}").list_objects(None))

    def test_an_object_of_a_bucket_that_does_not_exist_is_none_as_one_that_does_not_exist(
        self, subject: SourcesSubject
    ):
        assert subject.source("", bucket=f"missing-{uuid4().hex}").head_objects(["a.jpg"]) == {"a.jpg": None}

    def test_a_presigned_url_serves_the_object(self, subject: SourcesSubject, prefix: str):
        key = f"{prefix}a b+ü ?&#%.jpg"
        subject.put(key, b"a picture")
        source = subject.source(prefix)
        assert subject.download(source.presigned_get(key, seconds=60)) == b"a picture"
        assert subject.download(source.presigned_get(key, seconds=60, file_name='a "b" ü.jpg')) == b"a picture"

    @pytest.mark.parametrize("key", ["", "a.jpg", "{other}/a.jpg", "{own}", "{own}-beside/a.jpg", "/{own}/a.jpg"])
    def test_a_source_refuses_a_key_outside_its_folder_and_says_nothing_about_it(
        self, subject: SourcesSubject, prefix: str, key: str
    ):
        key = key.format(own=prefix[:-1], other=uuid4().hex)
        if key and (not subject.is_of_files or is_path_of_file(key, [f"{prefix}a.jpg"])):
            subject.put(key, b"another's picture")
        subject.put(f"{prefix}a.jpg", b"a picture")
        source = subject.source(prefix)
        for keys in ([key], [f"{prefix}a.jpg", key]):
            with pytest.raises(OutsideFolder):
                source.head_objects(keys)
        with pytest.raises(OutsideFolder):
            source.presigned_get(key, seconds=60)

    def test_a_way_up_in_a_key_leads_nowhere(self, subject: SourcesSubject, prefix: str):
        other = f"{uuid4().hex}/a.jpg"
        subject.put(other, b"another's picture")
        for way_up in (f"{prefix}../{other}", f"{prefix}x/../../{other}", f"{prefix}./../{other}"):
            assert not isinstance(subject.source(prefix).head_objects([way_up])[way_up], ObjectInfo), way_up

    @pytest.mark.parametrize("after", ["", "0", "~"])
    def test_a_listing_that_begins_outside_the_folder_has_only_keys_of_the_folder(
        self, subject: SourcesSubject, prefix: str, after: str
    ):
        subject.put(f"{prefix}a.jpg", b"a picture")
        subject.put(f"{prefix[:-1]}-beside/a.jpg", b"another's picture")
        listed = [listed.key for listed in subject.source(prefix).list_objects(after or None)]
        assert listed == ([] if after == "~" else [f"{prefix}a.jpg"])


def downloaded(url: str) -> bytes:
    response = requests.get(url, timeout=10)
    response.raise_for_status()
    return response.content


def is_path_of_file(key: str, keys: Sequence[str]) -> bool:
    """Whether a file can have this path beside those of the other keys."""
    parts = key.split("/")
    is_folder = any(other.startswith(f"{key}/") for other in keys)
    return not is_folder and all(part and len(part.encode()) <= NAME_LIMIT for part in parts)
