"""``/api/account`` and ``/api/tokens``: shows the plan and its usage; creates, lists and revokes tokens."""

from typing import Any

from chalice.app import Blueprint

from chalicelib.api import serializers
from chalicelib.api.cross_origin import check_origins_allowed
from chalicelib.api.cursors import decode_cursor, encode_cursor, invalid_cursor, is_key_text
from chalicelib.api.dispatch import Dispatcher, RequestContext, Result
from chalicelib.api.openapi.builders import COLLECTION_ID, TOKEN_ID, array, obj, ref, text
from chalicelib.api.openapi.operation import (
    CURSOR_PARAMETER,
    LIMIT_PARAMETER,
    MESSAGE,
    NEXT_CURSOR,
    Operation,
    json_body,
    path_parameter,
    query_parameter,
)
from chalicelib.api.requests.bodies import json_object, parse_new_token
from chalicelib.api.requests.queries import parameter, parse_limit
from chalicelib.domain.accounts import Scope
from chalicelib.domain.collections import canonical_uuid
from chalicelib.domain.errors import Forbidden, InvalidRequest

EXPORT_SCOPE = "export"  # of its cursors
SHOW_ACCOUNT = Operation(
    tag="Account",
    summary="Show the account",
    description="The plan, its limits, and how much of them is used.",
    answer="Account",
    result=obj({"account": ref("Account")}),
)
EXPORT_ACCOUNT = Operation(
    tag="Account",
    summary="Export the account",
    description=(
        "All that is kept of it, page by page: the account, its tokens without their secrets, collections, "
        "connected folders, uploads, and the record of each file with its embedding in base64. A page may be empty "
        "although another one follows: continue until `next_cursor` is null. Needs a token whose scope is `admin`."
    ),
    parameters=(LIMIT_PARAMETER, CURSOR_PARAMETER),
    answer="AccountExport",
    result=obj({"records": array(ref("ExportRecord"))}),
    info=obj({"next_cursor": NEXT_CURSOR}),
)
DELETE_ACCOUNT = Operation(
    tag="Account",
    summary="Delete the account",
    description=(
        "For good, with all that belongs to it. Its tokens work for five more seconds at most; everything else is "
        "deleted afterwards. Your own buckets stay unchanged. Needs a token whose scope is `admin` and that the "
        "operator issued."
    ),
    parameters=(
        query_parameter(
            "confirm",
            {"type": "string", "format": "uuid"},
            "The uuid of the account, to confirm it",
            COLLECTION_ID,
            required=True,
        ),
    ),
    status=202,
    result=MESSAGE,
    errors=(409,),
)
LIST_TOKENS = Operation(
    tag="Account",
    summary="List tokens",
    description="Without their secrets, which are not stored. Needs a token whose scope is `admin`.",
    answer="TokenList",
    result=obj({"tokens": array(ref("AccessToken"))}),
    identifiers=(("token", "/result/tokens/0/id"),),
)
CREATE_TOKEN = Operation(
    tag="Account",
    summary="Create a token",
    description=(
        "Needs a token whose scope is `admin`. The new token expires no later than the one that makes it, and is "
        "revoked with it. A token for a public web page has the scope `search`, `collections` that anybody may see, "
        "and the page's `origins`: requests of other pages, or without the header `Origin`, are 403 `origin_forbids`."
    ),
    body=json_body(ref("TokenDefinition")),
    status=201,
    answer="CreatedToken",
    identifiers=(("token", "/result/token/id"),),
    result=obj({"token": ref("AccessToken"), "secret": text("The token itself, shown only once", "smx_…")}),
    info=obj({"message": text("A reminder", "Keep the secret: it is shown only once.")}),
    errors=(404, 409),
)
REVOKE_TOKEN = Operation(
    tag="Account",
    summary="Revoke a token",
    description=(
        "Needs a token whose scope is `admin`. The token, and every one that it has made, works for five more seconds "
        "at most. A token that another one has made revokes only itself and those that it has made."
    ),
    parameters=(path_parameter("id", "The id of the token", TOKEN_ID, identifies="token"),),
    result=MESSAGE,
    errors=(404, 409),
)


def blueprint(dispatcher: Dispatcher) -> Blueprint:
    accounts = Blueprint(__name__)
    route = dispatcher.routes(accounts)

    @route("GET", "/api/account", scope=Scope.READ, any_plan=True, operation=SHOW_ACCOUNT)
    def show_account(context: RequestContext) -> Result:
        account = context.services.accounts.get(context.account)
        usage = context.services.accounts.usage(context.account)
        return Result({"account": serializers.account(account, context.caller.plan, usage)})

    @route("DELETE", "/api/account", scope=Scope.ADMIN, any_plan=True, operation=DELETE_ACCOUNT)
    def delete_account(context: RequestContext) -> Result:
        if canonical_uuid(parameter(context.request, "confirm") or "") != context.account:
            raise InvalidRequest("Confirm the deletion: give the account's uuid in 'confirm'.", field="confirm")
        token = context.caller.token
        if token is None or token.made_by is not None:
            raise Forbidden("This token was made by another, so it cannot delete the account.")
        context.services.account_deletion.begin(context.account)
        context.services.authentication.forget(token.digest)
        message = f"Account {context.account} is deleted; all that belongs to it is being removed."
        return Result({"message": message}, status=202)

    @route("GET", "/api/account/export", scope=Scope.ADMIN, any_plan=True, operation=EXPORT_ACCOUNT)
    def export_account(context: RequestContext) -> Result:
        limit, cursor_scope = parse_limit(parameter(context.request, "limit")), (context.account, EXPORT_SCOPE)
        position = export_position(decode_cursor(parameter(context.request, "cursor"), cursor_scope))
        page = context.services.export.page(context.account, position, limit)
        return Result({"records": page.records}, info={"next_cursor": encode_cursor(cursor_scope, page.after)})

    @route("GET", "/api/tokens", scope=Scope.ADMIN, any_plan=True, operation=LIST_TOKENS)
    def list_tokens(context: RequestContext) -> Result:
        tokens = context.services.accounts.tokens(context.account)
        return Result({"tokens": [serializers.token(token) for token in tokens]})

    @route("POST", "/api/tokens", scope=Scope.ADMIN, operation=CREATE_TOKEN)
    def create_token(context: RequestContext) -> Result:
        service = context.services.accounts
        new = parse_new_token(json_object(context.request), context.services.now())
        check_origins_allowed(context.services.config.allowed_origins, new.origins or ())
        secret, token = service.issue_token(context.account, new, context.caller.token)
        info = {"message": "Keep the secret: it is shown only once."}
        return Result(
            {"token": serializers.token(token), "secret": secret}, status=201, info=info, masked_field="secret"
        )

    @route("DELETE", "/api/tokens/{id}", scope=Scope.ADMIN, any_plan=True, operation=REVOKE_TOKEN)
    def revoke_token(context: RequestContext) -> Result:
        service, by = context.services.accounts, context.caller.token
        for digest in service.revoke_token(context.account, context.path["id"], by):
            context.services.authentication.forget(digest)
        return Result({"message": f"Token {context.path['id']} is revoked, and all that it has made."})

    return accounts


def export_position(position: Any) -> list[str] | None:
    """Where a page of the export begins, as a cursor says."""
    match position:
        case None:
            return None
        case ["items"]:
            return ["items"]
        case ["items", key] if is_key_text(key):
            return ["items", key]
        case ["deliveries"]:
            return ["deliveries"]
        case ["deliveries", endpoint, delivery] if is_key_text(endpoint) and is_key_text(delivery):
            return ["deliveries", endpoint, delivery]
        case ["files", str() as collection]:
            return ["files", collection]
        case ["files", str() as collection, key] if is_key_text(key):
            return ["files", collection, key]
        case ["duplicates", str() as collection]:
            return ["duplicates", collection]
        case ["duplicates", str() as collection, key] if is_key_text(key):
            return ["duplicates", collection, key]
    raise invalid_cursor()
