"""Tokens on the account's page: listed, made and revoked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from chalicelib.api.cross_origin import check_origins_allowed
from chalicelib.api.requests.bodies import parse_new_token
from chalicelib.dashboard.dispatch import PageDispatcher
from chalicelib.dashboard.fields import Fields
from chalicelib.dashboard.pages import Page, PageRequest, Redirect
from chalicelib.dashboard.repetition import MadeSecret, made_once
from chalicelib.dashboard.texts import text
from chalicelib.domain.accounts import NewToken, Scope, Token
from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import NotFound, PlanForbids, SimilarixError
from chalicelib.domain.permissions import Permission

_FIELDS = ("name", "scope", "collections", "origins", "expires_at")
SHOWN_NAMES = 3  # of the collections that a token is bound to


@dataclass(frozen=True, slots=True)
class ShownToken:
    """A token as the page shows it: what it may do, and where, in words; ``maker`` is the name of who made it here."""

    id: str
    name: str
    maker: str | None
    may: str
    where: str
    last_used: datetime | None
    expires_at: datetime | None
    is_expired: bool
    can_revoke: bool


def token_section(request: PageRequest) -> Mapping[str, Any]:
    """The variables of the section of tokens."""
    names = {collection.uuid: collection.name for collection in _collections(request)}
    tokens = request.services.accounts.tokens(request.account.uuid)
    makers = _makers(request)
    return {"tokens": [_shown(token, names, makers, request) for token in tokens], "has_api": request.plan.api_access}


def add_pages(dispatcher: PageDispatcher) -> None:
    page = dispatcher.page

    @page("/account/tokens/new")
    def show_form(request: PageRequest) -> Page:
        _check_plan(request)
        return _form(request, Fields((("scope", Scope.SEARCH.value),)))

    @page("/account/tokens", methods=("POST",))
    def make_token(request: PageRequest) -> Page:
        _check_plan(request)
        try:
            new = _new_token(request)
            made = made_once(request, lambda: _issue(request, new))
        except SimilarixError as error:
            if error.field is None:
                raise
            return _form(request, request.form, error)
        tokens = request.services.accounts.tokens(request.account.uuid)
        token = next((token for token in tokens if token.id == made.id), None)
        if token is None:
            raise NotFound("This token was revoked. Make another one.")
        names = {collection.uuid: collection.name for collection in _collections(request)}
        shown = _shown(token, names, _makers(request), request)
        command = _command(request, made.secret, token)
        return Page("account_token.html", {"token": shown, "secret": made.secret, "command": command})

    @page("/account/tokens/{token}/revoke", methods=("POST",))
    def revoke_token(request: PageRequest) -> Page | Redirect:
        accounts, token = request.services.accounts, request.path["token"]
        for digest in accounts.revoke_token(request.account.uuid, token, user=request.user.id):
            request.services.authentication.forget(digest)
        if not request.is_fragment:
            return Redirect("/account#tokens", toast="account.revoked")
        return Page("account.html", token_section(request), fragment="token_section", toast="account.revoked")


def _issue(request: PageRequest, new: NewToken) -> MadeSecret:
    secret, token = request.services.accounts.issue_token(request.account.uuid, new, user=request.user.id)
    return MadeSecret(token.id, secret)


def _form(request: PageRequest, fields: Fields, error: SimilarixError | None = None) -> Page:
    scopes = [scope for scope in Scope if scope is not Scope.ADMIN or request.session.may(Permission.TOKENS)]
    data = {
        "scopes": [scope.value for scope in scopes],
        "collections": _collections(request),
        "fields": fields,
        "chosen": fields.all("collections"),
        "wrong": {field: error.message if error is not None and error.field == field else None for field in _FIELDS},
        "first_day": (request.services.now() + timedelta(days=1)).date().isoformat(),
    }
    return Page("account_token_new.html", data, status=error.status if error is not None else 200)


def _new_token(request: PageRequest) -> NewToken:
    form = request.form
    scope, collections, origins = form.text("scope"), form.all("collections"), form.text("origins")
    body: dict[str, Any] = {
        "name": form.text("name"),
        "scope": scope,
        "expires_at": _end_of_day(form.text("expires_at")),
    }
    if collections:
        body["collections"] = collections
    if origins:
        body["origins"] = origins.replace(",", " ").split()
    new = parse_new_token(body, request.services.now())
    check_origins_allowed(request.services.config.allowed_origins, new.origins or ())
    return new


def _end_of_day(day: str) -> str | None:
    """The last moment of a day, UTC, in ISO 8601; None for no day. What is no day is returned as it is, and refused."""
    try:
        following = date.fromisoformat(day) + timedelta(days=1)
    except (ValueError, OverflowError):
        return day or None
    return datetime.combine(following, time.min, UTC).isoformat()


def _check_plan(request: PageRequest) -> None:
    if not request.plan.api_access:
        raise PlanForbids(text("account.needs_pro_hint"))


def _collections(request: PageRequest) -> Sequence[Collection]:
    return request.services.collections.all(request.account.uuid)


def _makers(request: PageRequest) -> Mapping[str, str]:
    members = request.services.users.members(request.account.uuid)
    return {member.user: member.name or member.email for member in members}


def _shown(token: Token, names: Mapping[str, str], makers: Mapping[str, str], request: PageRequest) -> ShownToken:
    expires = token.expires_at
    return ShownToken(
        id=token.id,
        name=token.name,
        maker=makers.get(token.user) if token.user is not None else None,
        may=text(f"account.scope_{token.scope.value}"),
        where=_where(token, names),
        last_used=token.last_used,
        expires_at=expires,
        is_expired=expires is not None and expires <= request.services.now(),
        can_revoke=token.user == request.user.id or request.session.may(Permission.TOKENS),
    )


def _where(token: Token, names: Mapping[str, str]) -> str:
    where = text("account.everything")
    if token.collections is not None:
        known = [names[uuid] for uuid in token.collections if uuid in names]
        more = len(token.collections) - SHOWN_NAMES
        where = ", ".join(known[:SHOWN_NAMES]) + (f" +{more}" if more > 0 else "") or "–"
    if token.origins is None:
        return where
    hosts = ", ".join(origin.partition("://")[2] for origin in token.origins)
    return text("account.from_pages", collections=where, origins=hosts)


def _command(request: PageRequest, secret: str, token: Token) -> str:
    """A line for a shell that searches with the token."""
    origin = token.origins[0].replace("*", "www") if token.origins else None
    header = f' \\\n  -H "Origin: {origin}"' if origin else ""
    return f'curl -H "Authorization: Token {secret}"{header} \\\n  "{request.base_url}/api/search/?query=dog"'
