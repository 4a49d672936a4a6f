"""Members and invitations on the account's page, and the accounts that a user belongs to."""

from collections.abc import Iterable, Mapping
from typing import Any

from chalicelib.api.dispatch import logger, request_id
from chalicelib.dashboard.dispatch import PageDispatcher
from chalicelib.dashboard.pages import Page, PageRequest, Redirect
from chalicelib.domain.errors import MailRefused
from chalicelib.domain.permissions import Permission
from chalicelib.domain.users import Invitation, Role, parse_role

SIGN_IN = "/sign-in"  # where an invited person joins


def member_section(request: PageRequest) -> Mapping[str, Any]:
    """The variables of the section of members."""
    users, account = request.services.users, request.account.uuid
    members = users.members(account)
    owners = [member.user for member in members if member.role is Role.OWNER]
    return {
        "members": members,
        "invitations": users.invitations(account),
        "roles": list(Role),
        "can_leave": owners != [request.user.id],
        "sends_mails": request.services.invitation_mails.is_on,
        "sign_in_link": request.base_url + SIGN_IN,
    }


def add_pages(dispatcher: PageDispatcher) -> None:
    page = dispatcher.page

    @page("/account/members/invite", methods=("POST",), needs=Permission.MEMBERS)
    def invite(request: PageRequest) -> Page | Redirect:
        role = parse_role(request.form.text("role"))
        users, email = request.services.users, request.form.text("email")
        return _answer(request, _told(request, users.invite(request.account.uuid, email, role, request.user)))

    @page("/account/members/withdraw", methods=("POST",), needs=Permission.MEMBERS)
    def withdraw(request: PageRequest) -> Page | Redirect:
        request.services.users.withdraw(request.account.uuid, request.form.text("email"))
        return _answer(request, "account.withdrawn")

    @page("/account/members/{user}/role", methods=("POST",), needs=Permission.MEMBERS)
    def change_role(request: PageRequest) -> Page | Redirect:
        role = parse_role(request.form.text("role"))
        _forget(request, request.services.users.change_role(request.account.uuid, request.path["user"], role))
        if request.path["user"] == request.user.id:
            return Redirect("/account#members", toast="account.role_changed")
        return _answer(request, "account.role_changed")

    @page("/account/members/{user}/remove", methods=("POST",), needs=Permission.MEMBERS)
    def remove(request: PageRequest) -> Page | Redirect:
        _remove(request, request.path["user"])
        if request.path["user"] == request.user.id:
            return elsewhere(request, "account.left_account")
        return _answer(request, "account.removed")

    @page("/account/leave", methods=("POST",))
    def leave(request: PageRequest) -> Redirect:
        _remove(request, request.user.id)
        return elsewhere(request, "account.left_account")

    @page("/account/switch", methods=("POST",))
    def switch(request: PageRequest) -> Redirect:
        _work_in(request, request.form.text("account"))
        return Redirect("/", toast="account.switched")


def _told(request: PageRequest, invitation: Invitation) -> str:
    """Send the mail of an invitation; returns the key of the text that says what became of it."""
    mails, url = request.services.invitation_mails, request.base_url + SIGN_IN
    try:
        outcome = mails.send(invitation, request.account, request.user, url)
    except MailRefused:
        logger.exception("invitation not mailed", request_id=request_id(request.request))
        return "account.invited_refused"
    return f"account.invited_{outcome.value}"


def _remove(request: PageRequest, user: str) -> None:
    _forget(request, request.services.users.remove_member(request.account.uuid, user))


def _forget(request: PageRequest, digests: Iterable[str]) -> None:
    """Let this process trust revoked tokens no longer."""
    for digest in digests:
        request.services.authentication.forget(digest)


def elsewhere(request: PageRequest, toast: str) -> Redirect:
    """The way on of a user who has lost the account: to another one, or else to a new sign-in."""
    left = [account for account, _ in request.services.users.accounts_of(request.user.id)]
    others = [account.uuid for account in left if account.uuid != request.account.uuid]
    if others:
        _work_in(request, others[0])
        return Redirect("/", toast=toast)
    request.services.sessions.end(request.session.key)
    return Redirect("/sign-in", toast=toast)


def _work_in(request: PageRequest, account: str) -> None:
    request.services.sessions.switch(request.session, account)
    request.services.users.work_in(request.user, account)


def _answer(request: PageRequest, toast: str) -> Page | Redirect:
    if not request.is_fragment:
        return Redirect("/account#members", toast=toast)
    return Page("account.html", member_section(request), fragment="member_section", toast=toast)
