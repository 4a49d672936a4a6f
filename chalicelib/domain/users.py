"""Users of the dashboard, the accounts that they belong to, and invitations to join one.

A user is known by issuer and subject, which identify a person at an identity provider for ever; an e-mail address may
change: https://openid.net/specs/openid-connect-core-1_0.html#ClaimStability
"""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from chalicelib.domain.errors import InvalidRequest
from chalicelib.domain.texts import is_storable

INVITATION_LIFETIME = timedelta(days=14)
MEMBERS_LIMIT = 50  # of an account, invitations included
MEMBERSHIPS_LIMIT = 50  # of a user
NAME_LIMIT = 100  # characters of a name that an identity provider gives
EMAIL_LIMIT = 254  # characters of an address in a mail's path: https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.1.3
# As a browser checks <input type="email">, with a dot in the domain:
# https://html.spec.whatwg.org/multipage/input.html#valid-e-mail-address
_LABEL = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_EMAIL = re.compile(rf"[a-z0-9.!#$%&'*+/=?^_`{{|}}~-]{{1,64}}@{_LABEL}(?:\.{_LABEL})+")


class Role(StrEnum):
    """What a member may do: an owner everything, a member all but members, tokens that rule, and the account's end."""

    OWNER = "owner"
    MEMBER = "member"


class SignUp(StrEnum):
    """Who gets an account at a first sign-in: everybody, or only who was invited to one."""

    OPEN = "open"
    INVITATION = "invitation"


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom an identity provider has signed in: claims of an ID token that has been checked.

    Args:
        email_verified: whether the provider knows that the address is the user's; only then invitations to it count.
    """

    issuer: str
    subject: str
    email: str
    email_verified: bool
    name: str = ""

    @property
    def user_id(self) -> str:
        """The user's identifier: 32 hexadecimal digits, always the same for one issuer and subject."""
        return sha256(f"{self.issuer}\n{self.subject}".encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class User:
    """``account`` is the one that the user worked in last. ``revision`` grows with each change and locks the user."""

    id: str
    issuer: str
    subject: str
    email: str
    name: str
    created_at: datetime
    account: str | None = None
    disabled_at: datetime | None = None
    revision: int = 0

    @property
    def shown_name(self) -> str:
        return self.name or self.email


@dataclass(frozen=True, slots=True)
class Membership:
    """A user's place in an account; ``email`` and ``name`` are the user's at their last sign-in."""

    account: str
    user: str
    role: Role
    email: str
    name: str
    joined_at: datetime


@dataclass(frozen=True, slots=True)
class Invitation:
    """``email`` as ``parse_email`` returns it; ``invited_by`` identifies an owner, or is None for administration."""

    account: str
    email: str
    role: Role
    invited_by: str | None
    created_at: datetime

    @property
    def expires_at(self) -> datetime:
        return self.created_at + INVITATION_LIFETIME


def parse_email(value: object) -> str:
    """The address in lower case, as invitations are found by it; raises InvalidRequest for what is none."""
    text = value.strip().lower() if isinstance(value, str) else ""
    if not is_email(text):
        raise InvalidRequest("Give an e-mail address, such as nora@example.com.", field="email")
    return text


def is_email(text: str) -> bool:
    """Whether it is an address as ``parse_email`` returns it, so that there may be an invitation to it."""
    return len(text) <= EMAIL_LIMIT and _EMAIL.fullmatch(text) is not None


def provided_email(text: str) -> str:
    """An identity provider's address of a user as it is stored; perhaps one that cannot be invited.

    In lower case if it is ASCII. Else it stays as it is (https://www.rfc-editor.org/rfc/rfc6531): the lower case of
    other characters may be an address of somebody else. A mark stands for what cannot be shown, and for what is too
    long; with it the text is no address.
    """
    line = "".join(char if char.isprintable() else "\ufffd" for char in text.strip())
    kept = line if len(line) <= EMAIL_LIMIT else line[: EMAIL_LIMIT - 1] + "…"
    return kept.lower() if kept.isascii() else kept


def parse_role(value: object) -> Role:
    if not isinstance(value, str) or value not in list(Role):
        raise InvalidRequest("The role of a member is 'owner' or 'member'.", field="role")
    return Role(value)


def display_name(text: str) -> str:
    """A name of an identity provider as it is stored: one line of at most 100 characters, perhaps empty."""
    line = " ".join(text.split())
    return line[:NAME_LIMIT] if is_storable(line) else ""
