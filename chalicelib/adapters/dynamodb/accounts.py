"""Accounts and tokens in DynamoDB.

An account is one item (``account#UUID``/``account``), a token is two. ``token#SHA256``/``token`` has everything, the
account's subscription too, so that checking a token takes one read by key; ``account#UUID``/``token#ID`` leads from the
account to the token. What other adapters store with an account lies in ``account#UUID``, too, and the endpoints of its
webhooks in ``webhooks#UUID``.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb import batches
from chalicelib.adapters.dynamodb.items import from_item, optional_time, to_attribute, to_item
from chalicelib.adapters.dynamodb.registry import EXTERNAL_IDS_SORT_KEY
from chalicelib.adapters.dynamodb.transactions import transact
from chalicelib.adapters.dynamodb.webhook_endpoints import ENDPOINTS_SORT_KEY, webhooks_partition, without_secrets
from chalicelib.domain.accounts import Account, AccountItem, Scope, Subscription, Token
from chalicelib.domain.errors import StaleWrite

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

# Before the sort keys of webhooks and behind all of the account's own: where an export goes on with webhooks.
_BEFORE_WEBHOOKS = "webhook"


class DynamoDBAccounts:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def add_account(self, account: Account) -> None:
        self._client.put_item(TableName=self._table, Item=account_item(account))

    def account(self, uuid: str) -> Account | None:
        values = self._get(_account_key(uuid, "account"))
        return account_of(values) if values else None

    def all(self) -> Iterator[Account]:
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table,
            FilterExpression="sk = :sk",
            ExpressionAttributeValues={":sk": to_attribute("account")},
        )
        for page in pages:
            yield from (account_of(from_item(item)) for item in page["Items"])

    def rename(self, account: Account, name: str) -> None:
        update = {
            "TableName": self._table,
            "Key": to_item(_account_key(account.uuid, "account")),
            "UpdateExpression": "SET #n = :name ADD revision :one",
            "ConditionExpression": "revision = :revision",
            "ExpressionAttributeNames": {"#n": "name"},
            "ExpressionAttributeValues": to_item({":name": name, ":one": 1, ":revision": account.revision}),
        }
        if transact(self._client, [{"Update": update}]):
            raise StaleWrite

    def set_subscription(self, account: Account, subscription: Subscription) -> None:
        values = _subscription_values(subscription)
        change = {":plan": values["plan"], ":allowances": values["allowances"]}
        account_update = {
            "Key": to_item(_account_key(account.uuid, "account")),
            "UpdateExpression": "SET #p = :plan, allowances = :allowances ADD revision :one",
            "ConditionExpression": "revision = :revision",
            "ExpressionAttributeNames": {"#p": "plan"},
            "ExpressionAttributeValues": to_item({**change, ":one": 1, ":revision": account.revision}),
        }
        token_updates = [
            {
                "Key": to_item(_token_key(digest)),
                "UpdateExpression": "SET #p = :plan, allowances = :allowances",
                "ConditionExpression": "attribute_exists(pk)",
                "ExpressionAttributeNames": {"#p": "plan"},
                "ExpressionAttributeValues": to_item(change),
            }
            for digest in self._digests(account.uuid)
        ]
        updates = (account_update, *token_updates)
        if transact(self._client, [{"Update": {"TableName": self._table, **update}} for update in updates]):
            raise StaleWrite

    def add_token(self, token: Token, account: Account) -> None:
        values = {
            **_token_key(token.digest),
            "id": token.id,
            "account": token.account,
            "name": token.name,
            "scope": token.scope,
            "created_at": token.created_at,
            "expires_at": token.expires_at,
            "made_by": token.made_by,
            "collections": token.collections,
            "origins": token.origins,
            "user": token.user,
            **_subscription_values(account.subscription),
        }
        pointer = {**_account_key(account.uuid, f"token#{token.id}"), "digest": token.digest}
        count = self._count_tokens(account, 1)
        puts = [{"Put": {"TableName": self._table, "Item": to_item(item)}} for item in (values, pointer)]
        if transact(self._client, [*puts, {"Update": count}]):
            raise StaleWrite

    def token(self, digest: str) -> Token | None:
        values = self._get(_token_key(digest))
        return _token(values) if values else None

    def tokens(self, account: str) -> list[Token]:
        keys = [to_item(_token_key(digest)) for digest in self._digests(account)]
        return [_token(from_item(item)) for item in batches.read(self._client, self._table, keys)]

    def remove_tokens(self, tokens: Sequence[Token], account: Account) -> None:
        count = self._count_tokens(account, -len(tokens))
        if transact(self._client, [*self._token_deletions(account.uuid, tokens), {"Update": count}]):
            raise StaleWrite

    def items(self, account: str, after: str | None, limit: int) -> tuple[list[AccountItem], str | None]:
        stored: list[dict[str, Any]] = []
        position = after
        if position is None or position < _BEFORE_WEBHOOKS:
            stored, position = self._page(f"account#{account}", position, limit)
            position = position or _BEFORE_WEBHOOKS
        if position >= _BEFORE_WEBHOOKS and len(stored) < limit:
            webhooks, position = self._page(webhooks_partition(account), position, limit - len(stored))
            stored += webhooks
        items = [AccountItem(v["sk"], _exported(v)) for v in stored if not _is_listed_elsewhere_or_secret(v)]
        return items, position

    def begin_deletion(self, account: Account, now: datetime) -> None:
        mark = {
            "TableName": self._table,
            "Key": to_item(_account_key(account.uuid, "account")),
            "UpdateExpression": "SET deleted_at = :now, tokens = :none ADD revision :one",
            "ConditionExpression": "revision = :revision",
            "ExpressionAttributeValues": to_item({":now": now, ":none": 0, ":one": 1, ":revision": account.revision}),
        }
        if transact(self._client, [{"Update": mark}, *self._token_deletions(account.uuid, self.tokens(account.uuid))]):
            raise StaleWrite

    def delete_page(self, account: str) -> bool:
        for partition in (f"account#{account}", webhooks_partition(account)):
            # One more than are deleted: the account itself is among them, and stays.
            page = self._client.query(
                **self._partition(partition), ProjectionExpression="pk, sk", Limit=batches.MAX_DELETIONS_PER_WRITE + 1
            )["Items"]
            keys = [key for key in page if key["sk"]["S"] != "account"][: batches.MAX_DELETIONS_PER_WRITE]
            if keys:
                batches.delete(self._client, self._table, keys)
                return True
        return False

    def end_deletion(self, account: str) -> None:
        self._client.delete_item(
            TableName=self._table,
            Key=to_item(_account_key(account, "account")),
            ConditionExpression="attribute_not_exists(pk) OR attribute_exists(deleted_at)",
        )

    def touch_token(self, digest: str, now: datetime, unless_used_since: datetime) -> None:
        try:
            self._client.update_item(
                TableName=self._table,
                Key=to_item(_token_key(digest)),
                UpdateExpression="SET last_used = :now",
                ConditionExpression="attribute_exists(pk) AND (attribute_not_exists(last_used) OR last_used < :since)",
                ExpressionAttributeValues=to_item({":now": now, ":since": unless_used_since}),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return  # revoked, or another process has recorded a use within the minute

    def _count_tokens(self, account: Account, change: int) -> dict[str, Any]:
        """The part of a transaction that counts tokens, on condition that the account has not changed."""
        return {
            "TableName": self._table,
            "Key": to_item(_account_key(account.uuid, "account")),
            "UpdateExpression": "ADD tokens :change, revision :one",
            "ConditionExpression": "revision = :revision",
            "ExpressionAttributeValues": to_item({":change": change, ":one": 1, ":revision": account.revision}),
        }

    def _token_deletions(self, account: str, tokens: Sequence[Token]) -> list[Any]:
        keys = token_keys(account, tokens)
        return [{"Delete": {"TableName": self._table, "Key": to_item(key)}} for key in keys]

    def _page(self, partition: str, after: str | None, limit: int) -> tuple[list[dict[str, Any]], str | None]:
        """Items of a partition, and the sort key after which the next page begins, if there is one."""
        start: Any = {"ExclusiveStartKey": to_item({"pk": partition, "sk": after})} if after is not None else {}
        response = self._client.query(**self._partition(partition), Limit=limit, **start)
        last = response.get("LastEvaluatedKey")
        return list(map(from_item, response["Items"])), from_item(last)["sk"] if last else None

    def _partition(self, partition: str) -> Any:
        """The query for all of a partition."""
        return {
            "TableName": self._table,
            "ConsistentRead": True,
            "KeyConditionExpression": "pk = :pk",
            "ExpressionAttributeValues": to_item({":pk": partition}),
        }

    def _digests(self, account: str) -> list[str]:
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
            ExpressionAttributeValues=to_item({":pk": f"account#{account}", ":sk": "token#"}),
        )
        return [from_item(item)["digest"] for page in pages for item in page["Items"]]

    def _get(self, key: dict[str, str]) -> dict[str, Any] | None:
        item = self._client.get_item(TableName=self._table, Key=to_item(key), ConsistentRead=True).get("Item")
        return from_item(item) if item else None


def account_item(account: Account) -> dict[str, Any]:
    """The item of a new account."""
    values = {
        **_account_key(account.uuid, "account"),
        "uuid": account.uuid,
        "name": account.name,
        "created_at": account.created_at,
        "tokens": account.tokens,
        "revision": account.revision,
        **_subscription_values(account.subscription),
    }
    return to_item(values)


def token_keys(account: str, tokens: Sequence[Token]) -> list[dict[str, str]]:
    """The keys of all items of an account's tokens."""
    pairs = ((_token_key(token.digest), _account_key(account, f"token#{token.id}")) for token in tokens)
    return [key for pair in pairs for key in pair]


def _account_key(account: str, sort_key: str) -> dict[str, str]:
    return {"pk": f"account#{account}", "sk": sort_key}


def _token_key(digest: str) -> dict[str, str]:
    return {"pk": f"token#{digest}", "sk": "token"}


def _subscription_values(subscription: Subscription) -> dict[str, Any]:
    return {"plan": subscription.plan, "allowances": dict(subscription.limits)}


def _subscription(values: dict[str, Any]) -> Subscription:
    return Subscription(values["plan"], {name: int(value) for name, value in values["allowances"].items()})


def account_of(values: dict[str, Any]) -> Account:
    """The account of an item's values."""
    created_at = datetime.fromisoformat(values["created_at"])
    return Account(
        uuid=values["uuid"],
        name=values["name"],
        subscription=_subscription(values),
        created_at=created_at,
        tokens=values["tokens"],
        revision=values["revision"],
        deleted_at=optional_time(values.get("deleted_at")),
    )


def _is_listed_elsewhere_or_secret(values: dict[str, Any]) -> bool:
    """Whether it is the account, a token, or the secret from which the account's external ids are derived."""
    key: str = values["sk"]
    return key in ("account", EXTERNAL_IDS_SORT_KEY) or key.startswith("token#")


def _exported(values: dict[str, Any]) -> dict[str, Any]:
    """What an item has beside its key, but for secrets."""
    others = {name: value for name, value in values.items() if name not in ("pk", "sk")}
    return without_secrets(others) if values["sk"] == ENDPOINTS_SORT_KEY else others


def _token(values: dict[str, Any]) -> Token:
    return Token(
        digest=values["pk"].removeprefix("token#"),
        id=values["id"],
        account=values["account"],
        name=values["name"],
        scope=Scope(values["scope"]),
        subscription=_subscription(values),
        created_at=datetime.fromisoformat(values["created_at"]),
        expires_at=optional_time(values.get("expires_at")),
        last_used=optional_time(values.get("last_used")),
        made_by=values.get("made_by"),
        collections=_optional_tuple(values.get("collections")),
        origins=_optional_tuple(values.get("origins")),
        user=values.get("user"),
    )


def _optional_tuple(texts: Sequence[str] | None) -> tuple[str, ...] | None:
    return tuple(texts) if texts is not None else None
