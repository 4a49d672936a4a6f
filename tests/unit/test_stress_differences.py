"""The stress test of the deployed system reports every way in which an object's three records can disagree."""

from dataclasses import replace

import pytest

from chalicelib.domain.files import FileState
from tests.factories import a_collection, a_record, an_embedding
from tests.stress.stack.differences import Document, key_differences

MODEL = "fake-1+d1"
ETAG = "0" * 32
RECORD = replace(a_record(a_collection(), "a.jpg", etag=ETAG, thumbnail="a-thumbnail"), version=3)
EMBEDDING = an_embedding(md5=ETAG)
DOCUMENT = Document(RECORD.uuid, 3, RECORD.size, ETAG, MODEL, EMBEDDING.vector)
LISTED = (ETAG, RECORD.size)
FAILED = replace(RECORD, state=FileState.FAILED, embedding=None)


@pytest.mark.parametrize(
    ("listed", "record", "document"),
    [(LISTED, RECORD, DOCUMENT), (LISTED, FAILED, None), (None, RECORD.as_removed(), None), (None, None, None)],
)
def test_records_that_agree_have_no_difference(listed, record, document):
    assert list(key_differences(listed, record, document, MODEL)) == []


@pytest.mark.parametrize(
    ("listed", "record", "document", "words"),
    [
        (LISTED, None, None, "is in the bucket, but missing in the catalogue"),
        (LISTED, RECORD.as_removed(), None, "is in the bucket, but removed in the catalogue"),
        (None, RECORD, DOCUMENT, "is not in the bucket, but indexed in the catalogue"),
        (("f" * 32, RECORD.size), RECORD, DOCUMENT, "in the catalogue"),
        ((ETAG, 1), RECORD, DOCUMENT, "in the catalogue"),
        (LISTED, replace(RECORD, model="fake-0+d1"), DOCUMENT, "in the catalogue"),
        (LISTED, RECORD, None, "is not in the index, but must be"),
        (LISTED, FAILED, DOCUMENT, "is in the index, but must not be"),
        (None, None, DOCUMENT, "is in the index, but must not be"),
        (LISTED, RECORD, replace(DOCUMENT, version=2), "has version 2 in the index, 3 in the catalogue"),
        (LISTED, RECORD, replace(DOCUMENT, vector=b""), "or other fields"),
        (
            LISTED,
            replace(RECORD, embedding=an_embedding(md5="f" * 32)),
            replace(DOCUMENT, md5="f" * 32),
            "has the embedding of other bytes",
        ),
    ],
)
def test_records_that_disagree_have_one_difference(listed, record, document, words):
    (sentence,) = key_differences(listed, record, document, MODEL)
    assert words in sentence
