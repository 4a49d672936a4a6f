"""``/api/account`` and ``/api/tokens``: shows the plan and its usage; creates, lists and revokes tokens."""

from chalice.app import Blueprint

from chalicelib.api import serializers
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.api.openapi.builders import TOKEN_ID, array, obj, ref, text
from chalicelib.api.openapi.operation import MESSAGE, Operation, json_body, path_parameter
from chalicelib.api.requests.bodies import json_object, parse_new_token

SHOW_ACCOUNT = Operation(
    tag="Account",
    summary="Show the account",
    description="The plan, its limits, and how much of them is used.",
    result=obj({"account": ref("Account")}),
)
LIST_TOKENS = Operation(
    tag="Account",
    summary="List tokens",
    description="Without their secrets, which are not stored.",
    result=obj({"tokens": array(ref("Token"))}),
)
CREATE_TOKEN = Operation(
    tag="Account",
    summary="Create a token",
    body=json_body(ref("NewToken")),
    status=201,
    result=obj({"token": ref("Token"), "secret": text("The token itself, shown only once", "smx_…")}),
    info=obj({"message": text("A reminder")}),
    errors=(400, 409),
)
REVOKE_TOKEN = Operation(
    tag="Account",
    summary="Revoke a token",
    description="The token works for five more seconds at most.",
    parameters=(path_parameter("id", "The id of the token", TOKEN_ID),),
    result=MESSAGE,
    errors=(404, 409),
)


def blueprint(dispatcher: Dispatcher) -> Blueprint:
    accounts = Blueprint(__name__)
    route = dispatcher.routes(accounts)

    @route("GET", "/api/account", operation=SHOW_ACCOUNT)
    def show_account(context: RequestContext) -> Result:
        account = context.services.accounts.get(context.account)
        usage = context.services.accounts.usage(context.account)
        return Result({"account": serializers.account(account, context.caller.plan, usage)})

    @route("GET", "/api/tokens", operation=LIST_TOKENS)
    def list_tokens(context: RequestContext) -> Result:
        tokens = context.services.accounts.tokens(context.account)
        return Result({"tokens": [serializers.token(token) for token in tokens]})

    @route("POST", "/api/tokens", operation=CREATE_TOKEN)
    def create_token(context: RequestContext) -> Result:
        service = context.services.accounts
        new = parse_new_token(json_object(context.request), context.services.now())
        secret, token = service.issue_token(context.account, new)
        info = {"message": "Keep the secret: it is shown only once."}
        return Result({"token": serializers.token(token), "secret": secret}, status=201, info=info)

    @route("DELETE", "/api/tokens/{id}", operation=REVOKE_TOKEN)
    def revoke_token(context: RequestContext) -> Result:
        digest = context.services.accounts.revoke_token(context.account, context.path["id"])
        context.services.authentication.forget(digest)
        return Result({"message": f"Token {context.path['id']} is revoked."})

    return accounts
