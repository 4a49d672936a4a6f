"""``/api/account`` and ``/api/tokens``: the plan and what is used of it; tokens made, listed, revoked."""

from chalice.app import Blueprint

from chalicelib.api import present
from chalicelib.api.edge import Answer, Call, Edge
from chalicelib.api.requests import json_object
from chalicelib.domain.accounts import checked_expiry, checked_scope, checked_token_name
from chalicelib.domain.wishes import check_fields


def blueprint(edge: Edge) -> Blueprint:
    accounts = Blueprint(__name__)
    route = edge.routes(accounts)

    @route("GET", "/api/account")
    def show_account(call: Call) -> Answer:
        account = call.services.accounts.get(call.account)
        call.services.uploads.sweep(call.account)
        usage = call.services.accounts.usage(call.account)
        return Answer({"account": present.account(account, call.caller.plan, usage)})

    @route("GET", "/api/tokens")
    def list_tokens(call: Call) -> Answer:
        return Answer({"tokens": [present.token(token) for token in call.services.accounts.tokens(call.account)]})

    @route("POST", "/api/tokens")
    def create_token(call: Call) -> Answer:
        service, wish = call.services.accounts, json_object(call.request)
        check_fields(wish, ("name", "scope", "expires_at"))
        secret, token = service.issue_token(
            call.account,
            checked_token_name(wish.get("name")),
            checked_scope(wish.get("scope")),
            checked_expiry(wish.get("expires_at"), service.now()),
        )
        info = {"message": "Keep the secret: it is shown this once."}
        return Answer({"token": present.token(token), "secret": secret}, status=201, info=info)

    @route("DELETE", "/api/tokens/{id}")
    def revoke_token(call: Call) -> Answer:
        digest = call.services.accounts.revoke_token(call.account, call.path["id"])
        call.services.authentication.forget(digest)
        return Answer({"message": f"Token {call.path['id']} is revoked."})

    return accounts
