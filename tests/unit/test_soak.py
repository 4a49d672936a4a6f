"""The soak tells every way in which an object's three records can disagree."""

from dataclasses import replace

import pytest

from chalicelib.domain.files import FileState
from tests.factories import a_collection, a_record, an_embedding
from tests.soak.differences import Document, wrong

MODEL = "fake-1+d1"
ETAG = "0" * 32
RECORD = replace(a_record(a_collection(), "a.jpg", etag=ETAG, thumbnail="a-place"), version=3)
PICTURE = an_embedding(md5=ETAG)
DOCUMENT = Document(RECORD.uuid, 3, RECORD.size, ETAG, MODEL, PICTURE.vector)
LISTED = (ETAG, RECORD.size)
FAILED = replace(RECORD, state=FileState.FAILED, embedding=None)


@pytest.mark.parametrize(
    ("listed", "record", "document"),
    [(LISTED, RECORD, DOCUMENT), (LISTED, FAILED, None), (None, RECORD.as_removed(), None), (None, None, None)],
)
def test_what_agrees_is_no_difference(listed, record, document):
    assert list(wrong(listed, record, document, MODEL)) == []


@pytest.mark.parametrize(
    ("listed", "record", "document", "said"),
    [
        (LISTED, None, None, "is in the bucket, and not in the catalogue"),
        (LISTED, RECORD.as_removed(), None, "is in the bucket, and removed in the catalogue"),
        (None, RECORD, DOCUMENT, "is gone from the bucket, and indexed in the catalogue"),
        (("f" * 32, RECORD.size), RECORD, DOCUMENT, "in the catalogue"),
        ((ETAG, 1), RECORD, DOCUMENT, "in the catalogue"),
        (LISTED, replace(RECORD, model="fake-0+d1"), DOCUMENT, "in the catalogue"),
        (LISTED, RECORD, None, "is to be in the index, and is not so"),
        (LISTED, FAILED, DOCUMENT, "is not to be in the index, and is so"),
        (None, None, DOCUMENT, "is not to be in the index, and is so"),
        (LISTED, RECORD, replace(DOCUMENT, version=2), "is version 2 in the index, 3 in the catalogue"),
        (LISTED, RECORD, replace(DOCUMENT, vector=b""), "or another picture"),
        (
            LISTED,
            replace(RECORD, embedding=an_embedding(md5="f" * 32)),
            replace(DOCUMENT, md5="f" * 32),
            "of other bytes",
        ),
    ],
)
def test_what_differs_is_told(listed, record, document, said):
    (sentence,) = wrong(listed, record, document, MODEL)
    assert said in sentence
