"""The account's page: plan and usage, sessions, export and deletion; tokens and members have modules of their own."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chalice.app import Response

from chalicelib.api.accounts import EXPORT_SCOPE, export_position
from chalicelib.api.cursors import decode_cursor, encode_cursor
from chalicelib.dashboard.agents import agent_name
from chalicelib.dashboard.dispatch import PageDispatcher
from chalicelib.dashboard.members import elsewhere, member_section
from chalicelib.dashboard.pages import Page, PageRequest, Redirect
from chalicelib.dashboard.texts import text
from chalicelib.dashboard.tokens import token_section
from chalicelib.dashboard.usage import offers, usage_of_plan
from chalicelib.dashboard.webhooks import stopped_webhooks
from chalicelib.domain.permissions import Permission
from chalicelib.domain.sessions import Session

EXPORT_RECORDS = 100  # of a part, as of the API's pages: a response of a function has 6 MB at most


@dataclass(frozen=True, slots=True)
class ShownSession:
    id: str
    browser: str
    address: str
    created_at: datetime
    last_used: datetime
    is_this: bool


def add_pages(dispatcher: PageDispatcher) -> None:
    page = dispatcher.page

    @page("/account")
    def show_account(request: PageRequest) -> Page:
        usage = request.services.accounts.usage(request.account.uuid)
        now = request.services.now()
        data = {
            "usage": usage_of_plan(request.plan, usage, now),
            "offers": offers(request.plan, now),
            "stopped_webhooks": stopped_webhooks(request),
            "accounts": request.services.users.accounts_of(request.user.id),
            **token_section(request),
            **member_section(request),
            **_session_section(request),
        }
        return Page("account.html", data)

    @page("/account/name", methods=("POST",), needs=Permission.ACCOUNT)
    def rename(request: PageRequest) -> Redirect:
        request.services.accounts.rename(request.account.uuid, request.form.text("name"))
        return Redirect("/account", toast="account.renamed")

    @page("/account/sessions/{session}/end", methods=("POST",))
    def end_session(request: PageRequest) -> Page | Redirect:
        request.services.sessions.end_one(request.user.id, request.path["session"])
        if request.path["session"] == request.session.session.id:
            return Redirect("/sign-in", toast="account.ended")
        return _sessions_answer(request, "account.ended")

    @page("/account/sessions/end-others", methods=("POST",))
    def end_others(request: PageRequest) -> Page | Redirect:
        request.services.sessions.end_others(request.session)
        return _sessions_answer(request, "account.ended_others")

    @page("/account/export", needs=Permission.ACCOUNT)
    def export_account(request: PageRequest) -> Response:
        scope = (request.account.uuid, EXPORT_SCOPE)
        position = export_position(decode_cursor(request.query.get("cursor"), scope))
        part = request.services.export.page(request.account.uuid, position, EXPORT_RECORDS)
        cursor = encode_cursor(scope, part.after)
        lines = [json.dumps(record, ensure_ascii=False) for record in part.records]
        if cursor is not None:
            # A file that was loaded without the page's script says itself that more follows.
            lines.append(json.dumps({"kind": "next", "path": f"/account/export?cursor={cursor}"}))
        headers: dict[str, Any] = {
            "Content-Type": "application/x-ndjson; charset=utf-8",
            "Content-Disposition": f'attachment; filename="similarix-{request.account.uuid}.jsonl"',
        }
        body = "".join(f"{line}\n" for line in lines)
        return Response(body.encode("utf-8", "backslashreplace").decode(), headers)

    @page("/account/delete", needs=Permission.ACCOUNT)
    def show_deletion(request: PageRequest) -> Page:
        return _deletion(request)

    @page("/account/delete", methods=("POST",), needs=Permission.ACCOUNT)
    def delete_account(request: PageRequest) -> Page | Redirect:
        if request.form.text("name") != request.account.name.strip():
            return _deletion(request, text("account.wrong_name"))
        request.services.account_deletion.begin(request.account.uuid)
        return elsewhere(request, "account.deleted")


def _session_section(request: PageRequest) -> Mapping[str, Any]:
    found = request.services.sessions.of_user(request.user.id)
    shown = [_shown(session, request.session.session) for session in found]
    return {"sessions": sorted(shown, key=lambda session: not session.is_this)}


def _sessions_answer(request: PageRequest, toast: str) -> Page | Redirect:
    if not request.is_fragment:
        return Redirect("/account#sessions", toast=toast)
    return Page("account.html", _session_section(request), fragment="session_section", toast=toast)


def _shown(session: Session, this: Session) -> ShownSession:
    browser = agent_name(session.agent) or text("account.unknown_browser")
    is_this = session.digest == this.digest
    return ShownSession(session.id, browser, session.address, session.created_at, session.last_used, is_this)


def _deletion(request: PageRequest, wrong: str | None = None) -> Page:
    account = request.account.uuid
    data = {
        "usage": request.services.accounts.usage(account),
        "tokens": len(request.services.accounts.tokens(account)),
        "members": len(request.services.users.members(account)),
        "wrong": wrong,
    }
    return Page("account_delete.html", data, status=400 if wrong else 200)
