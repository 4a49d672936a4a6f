"""The account and its tokens."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from similarix_sdk.decoding import decode, decode_all
from similarix_sdk.models import AccessToken, Account, CreatedToken, Page
from similarix_sdk.requests import Request, parameters, path, present
from similarix_sdk.steps import Paging, Resource, Steps, listing, operation

ACCOUNT = "/api/account/"
TOKENS = "/api/tokens/"


class AccountOperations(Resource):
    """The account of the token."""

    @operation
    def get(self) -> Steps[Account]:
        """Its plan, limits and usage."""
        envelope = yield from self._api.call(Request("GET", ACCOUNT))
        return decode(Account, envelope.result.get("account"))

    @listing
    def export(self, *, limit: int | None = None) -> Paging[Mapping[str, Any]]:
        """All that is kept of the account, record by record; ``kind`` says what each is."""

        def page(cursor: str | None) -> Steps[Page[Mapping[str, Any]]]:
            envelope = yield from self._api.call(
                Request("GET", f"{ACCOUNT}export/", parameters(limit=limit, cursor=cursor))
            )
            records: list[Mapping[str, Any]] = envelope.result["records"]
            return Page(tuple(records), envelope.info.get("next_cursor"), envelope.info)

        return page

    @operation
    def delete(self, *, confirm: str) -> Steps[None]:
        """Delete the account for good, with all that it has. ``confirm`` is its uuid."""
        yield from self._api.call(Request("DELETE", ACCOUNT, parameters(confirm=confirm)))


class TokenOperations(Resource):
    """The tokens of the account; they need the scope ``admin``."""

    @operation
    def list(self) -> Steps[tuple[AccessToken, ...]]:
        """All of them, without their secrets."""
        envelope = yield from self._api.call(Request("GET", TOKENS))
        return decode_all(AccessToken, envelope.result.get("tokens"))

    @operation
    def create(
        self,
        name: str,
        scope: str,
        *,
        expires_at: datetime | None = None,
        collections: Sequence[str] = (),
        origins: Sequence[str] = (),
        idempotency_key: str | None = None,
    ) -> Steps[CreatedToken]:
        """A token whose ``secret`` is shown this once.

        Args:
            scope: ``search``, ``read``, ``write`` or ``admin``; each includes those before it.
            expires_at: with a zone.
            collections: the only ones that it reaches.
            origins: the only web pages that may use it.
        """
        body = present(name=name, scope=scope, expires_at=expires_at, collections=collections, origins=origins)
        request = Request("POST", TOKENS, json=body).keyed(idempotency_key)
        return decode(CreatedToken, (yield from self._api.call(request)).result)

    @operation
    def revoke(self, id: str) -> Steps[None]:
        """Revoke a token and those that it has made."""
        yield from self._api.call(Request("DELETE", path(TOKENS + "{id}/", id=id)))
