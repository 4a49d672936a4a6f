"""The mail that tells somebody of an invitation to an account.

Whoever signs up names themselves and their account, and says to whom the mail goes. So that no stranger's advertisement
or link is sent by us, a name is shown only if it can be nothing else than a name, and an account sends few mails a day:
https://cheatsheetseries.owasp.org/cheatsheets/Injection_Prevention_Cheat_Sheet.html
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from html import escape

from chalicelib.domain.users import Invitation, Role, User, is_email

MAILS_A_DAY = 50  # of an account: as many as it has members at most
SHOWN_NAME_LIMIT = 60  # characters
_MARKS = frozenset(" .,'’&()-")
# What programs for mail make a link of by themselves: a scheme, or a dot without a space behind it.
_LINK = re.compile(r"\.\S|www", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mail:
    """A mail to one address, as plain text and as HTML; ``subject`` is one line."""

    to: str
    subject: str
    text: str
    html: str


class MailOutcome(StrEnum):
    """What became of the mail of an invitation: ``OFF`` where no mails are sent, ``TOO_MANY`` after those of a day."""

    SENT = "sent"
    OFF = "off"
    TOO_MANY = "too_many"


def invitation_mail(invitation: Invitation, account_name: str, inviter: User, url: str) -> Mail:
    """The mail of an invitation.

    Args:
        inviter: the owner who invites.
        url: of the page where the invited person signs in.
    """
    account = shown_name(account_name)
    by = _person(inviter)
    subject = f"You are invited to {account} on Similarix" if account else "You are invited to Similarix"
    begin = f"{by} invites you to the account {account}" if account else f"{by} invites you to their account"
    role = "an owner" if invitation.role is Role.OWNER else "a member"
    until = f"{invitation.expires_at:%-d %B %Y}"
    sentences = (
        f"{begin} on Similarix, as {role}. Similarix finds pictures by what they show.",
        f"To join, sign in as {invitation.email} until {until}:",
        "If you do not know who invites you, ignore this mail: nothing happens.",
    )
    text = f"{sentences[0]}\n\n{sentences[1]}\n{url}\n\n{sentences[2]}\n"
    first, second, last = map(escape, sentences)
    link = f'<a href="{escape(url)}">{escape(url)}</a>'
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(subject)}</title></head>'
        f"<body><p>{first}</p><p>{second}<br>{link}</p><p>{last}</p></body></html>"
    )
    return Mail(invitation.email, subject, text, html)


def shown_name(text: str) -> str:
    """The name as a mail shows it; empty if it may be a link or a message instead of a name."""
    name = " ".join(unicodedata.normalize("NFC", text).split())
    is_plain = all(char in _MARKS or unicodedata.category(char)[0] in "LMN" for char in name)
    return name if is_plain and len(name) <= SHOWN_NAME_LIMIT and not _LINK.search(name) else ""


def _person(user: User) -> str:
    """Who invites: the name, and the address where it is one."""
    name, address = shown_name(user.name), user.email if is_email(user.email) else ""
    if name and address:
        return f"{name} ({address})"
    return name or address or "Somebody"
