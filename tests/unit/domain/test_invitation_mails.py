"""The mail of an invitation: what it says, and what a name cannot make of it."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.invitation_mails import SHOWN_NAME_LIMIT, Mail, invitation_mail, shown_name
from chalicelib.domain.users import Invitation, Role, User

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
URL = "https://images.example/live/sign-in"


def a_mail(account: str = "Northlight Studio", name: str = "Nora Keller", email: str = "nora@example.com") -> Mail:
    invitation = Invitation("uuid", "jo@example.com", Role.MEMBER, "id", NOW)
    return invitation_mail(invitation, account, User("id", "issuer", "subject", email, name, NOW), URL)


class Visible(HTMLParser):
    """The text that a page shows, and the addresses that it leads to."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.text, self.links, self.tags = "", list[str](), list[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.text += "\n"
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        self.text += "\n"

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_mail_says_who_invites_to_what_until_when_and_where_to_sign_in():
    mail = a_mail()
    assert mail.to == "jo@example.com"
    assert mail.subject == "You are invited to Northlight Studio on Similarix"
    assert mail.text == (
        "Nora Keller (nora@example.com) invites you to the account Northlight Studio on Similarix, as a member. "
        "Similarix finds pictures by what they show.\n\n"
        f"To join, sign in as jo@example.com until 15 March 2026:\n{URL}\n\n"
        "If you do not know who invites you, ignore this mail: nothing happens.\n"
    )
    shown = Visible(mail.html)
    assert shown.links == [URL]
    assert " ".join(mail.text.split()) in " ".join(shown.text.split())


@pytest.mark.parametrize(
    "name", ["Nora Keller", "O'Brien & Söhne (Foto)", "Jean-Luc", "北京图片", "Dr. Müller, M. A.", "3D"]
)
def test_a_name_is_shown_as_it_is(name: str):
    assert shown_name(f"  {name} ") == name


HOSTILE = [
    "evil.example",
    "Win at https://evil.example now",
    "www evil",
    "<img src=x onerror=alert(1)>",
    "a\r\nBcc: victim@example.com",
    "\u202egnp.exe",
    "call +1 555: you have won!",
    "x" * (SHOWN_NAME_LIMIT + 1),
    "nora@evil.example",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_what_may_be_a_link_a_message_or_a_trick_is_not_shown(name: str):
    mail = a_mail(account=name, name=name, email=name)
    assert mail.subject == "You are invited to Similarix"
    if shown_name(name):
        pytest.fail("it is shown")
    begin = name if name == "nora@evil.example" else "Somebody"
    assert mail.text.startswith(f"{begin} invites you to their account on Similarix, as a member.")


@given(account=st.text(), name=st.text(), email=st.text())
def test_no_name_adds_a_line_an_element_or_a_link(account: str, name: str, email: str):
    plain, mail = a_mail(), a_mail(account, name, email)
    assert len(mail.subject.splitlines()) == 1
    assert mail.text.count("\n") == plain.text.count("\n")
    assert len(mail.text.splitlines()) == len(plain.text.splitlines())
    shown = Visible(mail.html)
    assert (shown.tags, shown.links) == (Visible(plain.html).tags, [URL])
    assert re.findall(r"\w+://\S+", shown.text) == [URL]
