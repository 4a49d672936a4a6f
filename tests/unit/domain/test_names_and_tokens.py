"""File names that callers send, and the header that authenticates them."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.accounts import (
    generate_secret,
    parse_account_name,
    parse_token_name,
    token_digest,
    token_from_header,
)
from chalicelib.domain.collections import parse_name
from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.image_files import EXTENSIONS, MIME_TYPES, mime_type, name_to_save, parse_file_name
from chalicelib.domain.texts import without_bidi_controls
from chalicelib.domain.webhook_endpoints import parse_description


@given(st.text(st.characters(exclude_categories=[])))
def test_file_name_is_safe_as_the_last_part_of_a_key_or_refused(sent: str) -> None:
    try:
        name = parse_file_name(sent)
    except InvalidRequest:
        return
    assert name not in ("", ".", "..")
    assert "/" not in name
    assert "\\" not in name
    assert without_bidi_controls(name) == name
    assert name.isprintable() or not any(ord(char) < 32 for char in name)
    assert 0 < len(name.encode()) <= 255
    assert parse_file_name(name) == name


@pytest.mark.parametrize(
    ("sent", "name"),
    [("a.jpg", "a.jpg"), ("C:\\photos\\a.jpg", "a.jpg"), ("../../etc/a b.jpg", "a b.jpg"), ("u\u0308.jpg", "ü.jpg")],
)
def test_path_is_reduced_to_its_last_part_and_accents_are_composed(sent: str, name: str) -> None:
    assert parse_file_name(sent) == name


@pytest.mark.parametrize(
    ("sent", "name"),
    [("a\u202egpj.exe", "agpj.exe"), ("\u2066owl\u2069.jpg", "owl.jpg"), ("\u200fa\u061c.png", "a.png")],
)
def test_bidi_controls_are_taken_out_of_a_name(sent: str, name: str) -> None:
    assert parse_file_name(sent) == name


@pytest.mark.parametrize(
    "sent", ["\u202e\u202c", "\u200b", "\ufeff\u2060", "\u3000", "a\u2028b.jpg", "a\u2029b", "a\x85b"]
)
def test_name_that_nobody_sees_or_that_breaks_a_line_is_refused(sent: str) -> None:
    with pytest.raises(InvalidRequest):
        parse_file_name(sent)


@pytest.mark.parametrize("parse", [parse_name, parse_account_name, parse_token_name, parse_description])
@pytest.mark.parametrize("sent", ["\u200b", "\u2060\u200d", "a\u2028b", "a\u2029b", "a\x85b", "a\x1b]0;x\x07"])
def test_a_name_is_one_line_that_can_be_seen(parse: Callable[[object], object], sent: str) -> None:
    with pytest.raises(InvalidRequest):
        parse(sent)


@pytest.mark.parametrize("sent", ["\U0001f469\u200d\U0001f680", "\u05d0\u200f", "a\xa0b", "-", "\uf8ff", "\U0001fae8"])
def test_a_name_may_be_a_picture_and_have_the_marks_of_its_script(sent: str) -> None:
    assert parse_name(sent) == sent


def test_a_description_may_be_empty() -> None:
    assert parse_description("") == parse_description(" ") == ""


@pytest.mark.parametrize(
    ("name", "format_name", "saved_as"),
    [
        ("example_image.jpg", "JPEG", "example_image.jpg"),
        ("OWL.JPEG", "JPEG", "OWL.JPEG"),
        ("owl.heif", "HEIF", "owl.heif"),
        ("owl.png", "JPEG", "owl.jpg"),
        ("owl.jpg", "WEBP", "owl.webp"),
        ("owl.exe", "JPEG", "owl.exe.jpg"),
        ("page.html", "PNG", "page.html.png"),
        ("owl", "GIF", "owl.gif"),
        (".png", "JPEG", ".png.jpg"),
        ("a.b.tiff", "BMP", "a.b.bmp"),
        ("owl.exe", "a format of tomorrow", "owl.exe"),
    ],
)
def test_file_is_saved_with_the_extension_of_its_bytes(name: str, format_name: str, saved_as: str) -> None:
    assert name_to_save(name, format_name) == saved_as


def test_each_format_has_extensions_of_its_own() -> None:
    assert EXTENSIONS.keys() == MIME_TYPES.keys()
    extensions = [extension for extensions in EXTENSIONS.values() for extension in extensions]
    assert len(set(extensions)) == len(extensions)


def test_each_format_has_a_media_type() -> None:
    assert mime_type("JPEG") == "image/jpeg"
    assert mime_type("a format of tomorrow") == "application/octet-stream"


class TestTokens:
    def test_secret_is_read_from_the_header(self) -> None:
        secret = generate_secret()
        assert token_from_header(f"Token {secret}") == secret
        assert token_from_header(f"  Token {secret} ") == secret

    @pytest.mark.parametrize("scheme", ["Token", "token", "TOKEN", "Bearer", "bearer", "bEARER"])
    def test_the_scheme_is_token_or_bearer_in_any_case(self, scheme: str) -> None:
        secret = generate_secret()
        assert token_from_header(f"{scheme}  {secret}") == secret

    @pytest.mark.parametrize("header", ["Basic {}", "Token{}", "Token\t{}", "Token {0}, Token {0}", "{}", "Tokens {}"])
    def test_another_form_of_the_header_has_no_secret(self, header: str) -> None:
        assert token_from_header(header.format(generate_secret())) is None

    @given(st.text())
    def test_no_secret_is_read_from_another_header(self, header: str) -> None:
        secret = token_from_header(header)
        assert secret is None or header.strip().split() in (["Token", secret], ["Bearer", secret])

    def test_secrets_never_repeat_and_their_digest_is_sha256(self) -> None:
        secrets = {generate_secret() for _ in range(100)}
        assert len(secrets) == 100
        assert all(len(token_digest(secret)) == 64 and secret not in token_digest(secret) for secret in secrets)
        assert token_digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
