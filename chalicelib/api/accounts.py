"""``/api/account`` and ``/api/tokens``: the plan and what is used of it; tokens made, listed, revoked."""

from chalice.app import Blueprint

from chalicelib.api import serializers
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.api.requests import json_object
from chalicelib.domain.accounts import checked_expiry, checked_scope, checked_token_name
from chalicelib.domain.wishes import check_fields


def blueprint(edge: Dispatcher) -> Blueprint:
    accounts = Blueprint(__name__)
    route = edge.routes(accounts)

    @route("GET", "/api/account")
    def show_account(call: RequestContext) -> Result:
        account = call.services.accounts.get(call.account)
        call.services.uploads.sweep(call.account)
        usage = call.services.accounts.usage(call.account)
        return Result({"account": serializers.account(account, call.caller.plan, usage)})

    @route("GET", "/api/tokens")
    def list_tokens(call: RequestContext) -> Result:
        return Result({"tokens": [serializers.token(token) for token in call.services.accounts.tokens(call.account)]})

    @route("POST", "/api/tokens")
    def create_token(call: RequestContext) -> Result:
        service, wish = call.services.accounts, json_object(call.request)
        check_fields(wish, ("name", "scope", "expires_at"))
        secret, token = service.issue_token(
            call.account,
            checked_token_name(wish.get("name")),
            checked_scope(wish.get("scope")),
            checked_expiry(wish.get("expires_at"), call.services.now()),
        )
        info = {"message": "Keep the secret: it is shown this once."}
        return Result({"token": serializers.token(token), "secret": secret}, status=201, info=info)

    @route("DELETE", "/api/tokens/{id}")
    def revoke_token(call: RequestContext) -> Result:
        digest = call.services.accounts.revoke_token(call.account, call.path["id"])
        call.services.authentication.forget(digest)
        return Result({"message": f"Token {call.path['id']} is revoked."})

    return accounts
