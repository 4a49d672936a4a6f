"""What commands print: no text that a customer chose acts on the terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.admin.command import printable, report


@given(st.text())
def test_no_control_character_reaches_the_terminal(text: str) -> None:
    assert printable(text).isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Åsa's 写真 🐼", "Åsa's 写真 🐼"),
        ("a\x1b]0;title\x07", "a\\x1b]0;title\\x07"),
        ("one\nforged line", "one\\nforged line"),
        ("gpj.\u202eexe", "gpj.\\u202eexe"),
        ("\udc80", "\\udc80"),
    ],
)
def test_printable_text_stays_and_all_else_is_escaped(
    text: str, shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    report(text)
    assert capsys.readouterr().out == shown + "\n"
