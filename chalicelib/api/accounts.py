"""``/api/account`` and ``/api/tokens``: shows the plan and its usage; creates, lists and revokes tokens."""

from chalice.app import Blueprint

from chalicelib.api import serializers
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.api.openapi.builders import TOKEN_ID, array, obj, ref, text
from chalicelib.api.openapi.operation import MESSAGE, Operation, json_body, path_parameter
from chalicelib.api.requests.bodies import json_object, parse_new_token
from chalicelib.domain.accounts import Scope

SHOW_ACCOUNT = Operation(
    tag="Account",
    summary="Show the account",
    description="The plan, its limits, and how much of them is used.",
    result=obj({"account": ref("Account")}),
)
LIST_TOKENS = Operation(
    tag="Account",
    summary="List tokens",
    description="Without their secrets, which are not stored. Needs a token whose scope is `admin`.",
    result=obj({"tokens": array(ref("Token"))}),
)
CREATE_TOKEN = Operation(
    tag="Account",
    summary="Create a token",
    description=(
        "Needs a token whose scope is `admin`. The new token expires no later than the one that makes it, and is "
        "revoked with it."
    ),
    body=json_body(ref("NewToken")),
    status=201,
    result=obj({"token": ref("Token"), "secret": text("The token itself, shown only once", "smx_…")}),
    info=obj({"message": text("A reminder")}),
    errors=(400, 409),
)
REVOKE_TOKEN = Operation(
    tag="Account",
    summary="Revoke a token",
    description=(
        "Needs a token whose scope is `admin`. The token, and every one that it has made, works for five more seconds "
        "at most. A token that another one has made revokes only itself and those that it has made."
    ),
    parameters=(path_parameter("id", "The id of the token", TOKEN_ID),),
    result=MESSAGE,
    errors=(404, 409),
)


def blueprint(dispatcher: Dispatcher) -> Blueprint:
    accounts = Blueprint(__name__)
    route = dispatcher.routes(accounts)

    @route("GET", "/api/account", scope=Scope.READ, any_plan=True, operation=SHOW_ACCOUNT)
    def show_account(context: RequestContext) -> Result:
        account = context.services.accounts.get(context.account)
        context.services.uploads.requeue_expired(context.account)
        usage = context.services.accounts.usage(context.account)
        return Result({"account": serializers.account(account, context.caller.plan, usage)})

    @route("GET", "/api/tokens", scope=Scope.ADMIN, any_plan=True, operation=LIST_TOKENS)
    def list_tokens(context: RequestContext) -> Result:
        tokens = context.services.accounts.tokens(context.account)
        return Result({"tokens": [serializers.token(token) for token in tokens]})

    @route("POST", "/api/tokens", scope=Scope.ADMIN, operation=CREATE_TOKEN)
    def create_token(context: RequestContext) -> Result:
        service = context.services.accounts
        new = parse_new_token(json_object(context.request), context.services.now())
        secret, token = service.issue_token(context.account, new, context.caller.token)
        info = {"message": "Keep the secret: it is shown only once."}
        return Result({"token": serializers.token(token), "secret": secret}, status=201, info=info)

    @route("DELETE", "/api/tokens/{id}", scope=Scope.ADMIN, any_plan=True, operation=REVOKE_TOKEN)
    def revoke_token(context: RequestContext) -> Result:
        service, by = context.services.accounts, context.caller.token
        for digest in service.revoke_token(context.account, context.path["id"], by):
            context.services.authentication.forget(digest)
        return Result({"message": f"Token {context.path['id']} is revoked, and all that it has made."})

    return accounts
