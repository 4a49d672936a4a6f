"""What the first bytes of a file say: enough to refuse what is no picture, and never what is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.image_files import PICTURE_LIMIT, unreadable_size
from embedder_container.errors import ItemError
from embedder_container.formats import refuse_start
from embedder_container.images import decode
from embedder_container.limits import MAX_FILE_BYTES, TOO_LARGE_MESSAGE

START = b"\0\0\0\x14ftyp%s\0\0\0\0%s"


def refused(start: bytes) -> str | None:
    try:
        refuse_start(start)
    except ItemError as error:
        return error.code.value
    return None


@pytest.mark.parametrize(
    ("start", "code"),
    [
        (b"dear diary", "not_an_image"),
        (bytes(100), "not_an_image"),
        (b"%PDF-1.7", "unsupported_format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "unsupported_format"),
        (START % (b"isom", b"mp41") + b"\0\0\0\x08free\0\1\0\0mdat", "unsupported_format"),
        (START % (b"qt  ", b"qt  ") + b"\0\0\0\x08wide\0\1\0\0mdat", "unsupported_format"),
        (START % (b"crx ", b"isom"), "unsupported_format"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_start(start: bytes, code: str) -> None:
    assert refused(start) == code


@pytest.mark.parametrize("start", [b"", START % (b"isom", b"mif1") + b"\0\0\0\x08mdat", START % (b"isom", b"isom")])
def test_a_start_that_does_not_say_enough_is_not_refused(start: bytes) -> None:
    assert refused(start) is None


FILES_OF_BOXES = st.builds(
    lambda brand, rest: START % (brand, brand) + rest, st.binary(min_size=4, max_size=4), st.binary(max_size=60)
)


@given(st.binary(max_size=200) | FILES_OF_BOXES)
def test_only_a_file_that_cannot_be_decoded_is_refused_and_none_raises_another_error(data: bytes) -> None:
    if refused(data) is not None:
        with pytest.raises(ItemError):
            decode(data)


def test_the_application_knows_the_embedders_limits() -> None:
    assert PICTURE_LIMIT == MAX_FILE_BYTES
    assert unreadable_size(PICTURE_LIMIT) is None
    assert unreadable_size(PICTURE_LIMIT + 1) == ("too_large", TOO_LARGE_MESSAGE)
    with pytest.raises(ItemError) as caught:
        decode(b"")
    assert unreadable_size(0) == (caught.value.code.value, caught.value.message)
