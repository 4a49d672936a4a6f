"""File names that callers send, and the header that says who they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.accounts import new_token, token_digest, token_from_header
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.image_files import checked_file_name, mime_type


@given(st.text())
def test_a_file_name_is_safe_as_the_last_part_of_a_key_or_refused(sent: str) -> None:
    try:
        name = checked_file_name(sent)
    except InvalidRequest:
        return
    assert name not in ("", ".", "..")
    assert "/" not in name
    assert "\\" not in name
    assert name.isprintable() or not any(ord(char) < 32 for char in name)
    assert 0 < len(name.encode()) <= 255
    assert checked_file_name(name) == name


@pytest.mark.parametrize(
    ("sent", "name"),
    [("a.jpg", "a.jpg"), ("C:\\photos\\a.jpg", "a.jpg"), ("../../etc/a b.jpg", "a b.jpg"), ("u\u0308.jpg", "ü.jpg")],
)
def test_a_path_keeps_its_last_part_and_accents_have_one_spelling(sent: str, name: str) -> None:
    assert checked_file_name(sent) == name


def test_a_format_has_its_media_type() -> None:
    assert mime_type("JPEG") == "image/jpeg"
    assert mime_type("a format of tomorrow") == "application/octet-stream"


class TestTokens:
    def test_are_read_from_their_header(self) -> None:
        token = new_token()
        assert token_from_header(f"Token {token}") == token
        assert token_from_header(f"  Token {token} ") == token

    @given(st.text())
    def test_are_not_read_from_anything_else(self, header: str) -> None:
        token = token_from_header(header)
        assert token is None or header.strip() == f"Token {token}"

    def test_never_repeat_and_are_stored_as_their_sha256(self) -> None:
        tokens = {new_token() for _ in range(100)}
        assert len(tokens) == 100
        assert all(len(token_digest(token)) == 64 and token not in token_digest(token) for token in tokens)
        assert token_digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
