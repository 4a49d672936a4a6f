"""File names that callers send, and the header that authenticates them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.accounts import generate_secret, token_digest, token_from_header
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.image_files import mime_type, parse_file_name


@given(st.text())
def test_file_name_is_safe_as_the_last_part_of_a_key_or_refused(sent: str) -> None:
    try:
        name = parse_file_name(sent)
    except InvalidRequest:
        return
    assert name not in ("", ".", "..")
    assert "/" not in name
    assert "\\" not in name
    assert name.isprintable() or not any(ord(char) < 32 for char in name)
    assert 0 < len(name.encode()) <= 255
    assert parse_file_name(name) == name


@pytest.mark.parametrize(
    ("sent", "name"),
    [("a.jpg", "a.jpg"), ("C:\\photos\\a.jpg", "a.jpg"), ("../../etc/a b.jpg", "a b.jpg"), ("u\u0308.jpg", "ü.jpg")],
)
def test_path_is_reduced_to_its_last_part_and_accents_are_composed(sent: str, name: str) -> None:
    assert parse_file_name(sent) == name


def test_each_format_has_a_media_type() -> None:
    assert mime_type("JPEG") == "image/jpeg"
    assert mime_type("a format of tomorrow") == "application/octet-stream"


class TestTokens:
    def test_secret_is_read_from_the_header(self) -> None:
        secret = generate_secret()
        assert token_from_header(f"Token {secret}") == secret
        assert token_from_header(f"  Token {secret} ") == secret

    @given(st.text())
    def test_no_secret_is_read_from_another_header(self, header: str) -> None:
        secret = token_from_header(header)
        assert secret is None or header.strip() == f"Token {secret}"

    def test_secrets_never_repeat_and_their_digest_is_sha256(self) -> None:
        secrets = {generate_secret() for _ in range(100)}
        assert len(secrets) == 100
        assert all(len(token_digest(secret)) == 64 and secret not in token_digest(secret) for secret in secrets)
        assert token_digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
