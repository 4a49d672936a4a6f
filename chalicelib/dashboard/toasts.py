"""Notes of what was just done, which the next page shows once: a cookie keeps the key of the text."""

from collections.abc import Iterable

from chalicelib.bootstrap import Services
from chalicelib.dashboard.texts import text
from chalicelib.domain.accounts import Account
from chalicelib.services.sessions import SignedIn

JOINED = "sign_in.joined"


def joined_toast(accounts: Iterable[Account]) -> str:
    """The note of accounts that were joined. It has their identifiers, for a cookie has no place for all names."""
    return ":".join((JOINED, *(account.uuid for account in accounts)))


def toast_text(toast: str, signed_in: SignedIn | None, services: Services) -> str | None:
    """What a note says; None for one that says nothing here, as a cookie may have any text.

    Args:
        toast: the key of a text, or what ``joined_toast`` returned.
    """
    key, *accounts = toast.split(":")
    if key != JOINED:
        return text(key) or None
    if signed_in is None:
        return None
    # Of the accounts that the user belongs to now. Isolated, so that a name cannot turn the text around:
    # https://www.unicode.org/reports/tr9/#Explicit_Directional_Isolates
    known = {account.uuid: account.name for account, _ in services.users.accounts_of(signed_in.user.id)}
    names = ", ".join(f"\u2068{known[uuid]}\u2069" for uuid in accounts if uuid in known)
    return text(JOINED, accounts=names) if names else None
