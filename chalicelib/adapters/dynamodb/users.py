"""Users, memberships and invitations in DynamoDB, in the table of accounts.

A user is one item (``user#ID``/``user``). A membership is two: ``account#UUID``/``member#ID`` has everything, and goes
with the account; ``user#ID``/``account#UUID`` leads from the user to it. So is an invitation:
``account#UUID``/``invitation#EMAIL`` has everything, and ``email#EMAIL``/``invitation#UUID`` leads from the address to
it. ``account#UUID``/``mails#DAY`` counts mails. Each pair is written in one transaction that also raises the account's
revision, so that two requests do not each remove the other's owner.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from chalicelib.adapters.dynamodb import batches
from chalicelib.adapters.dynamodb.accounts import account_item, account_of, token_keys
from chalicelib.adapters.dynamodb.items import from_item, optional_time, to_attribute, to_item
from chalicelib.adapters.dynamodb.sessions import session_of
from chalicelib.adapters.dynamodb.transactions import transact
from chalicelib.domain.accounts import Account, Token
from chalicelib.domain.errors import StaleWrite
from chalicelib.domain.sessions import Session
from chalicelib.domain.users import Invitation, Membership, Role, User

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

RETENTION = timedelta(days=1)  # of an invitation that has expired; DynamoDB then deletes it
MAILS_RETENTION = timedelta(days=2)  # of the number of a day's mails


class DynamoDBUsers:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        self._client = client
        self._table = table

    def add(self, user: User) -> None:
        values = {
            **_user_key(user.id, "user"),
            "issuer": user.issuer,
            "subject": user.subject,
            "email": user.email,
            "name": user.name,
            "created_at": user.created_at,
            "account": user.account,
            "revision": user.revision,
        }
        self._transact({"Put": {"Item": to_item(values), "ConditionExpression": "attribute_not_exists(pk)"}})

    def user(self, user: str) -> User | None:
        values = self._get(_user_key(user, "user"))
        return _user(values) if values else None

    def all(self) -> Iterator[User]:
        pages = self._client.get_paginator("scan").paginate(
            TableName=self._table,
            FilterExpression="sk = :sk",
            ExpressionAttributeValues={":sk": to_attribute("user")},
        )
        for page in pages:
            yield from (_user(from_item(item)) for item in page["Items"])

    def change(self, user: User, **changes: Any) -> User:
        self._transact(_user_change(user, changes))
        return replace(user, revision=user.revision + 1, **changes)

    def open_account(self, user: User, account: Account, membership: Membership) -> User:
        self._transact(
            _user_change(user, {"account": account.uuid}),
            {"Put": {"Item": account_item(account), "ConditionExpression": "attribute_not_exists(pk)"}},
            *_membership_puts(membership),
        )
        return replace(user, revision=user.revision + 1, account=account.uuid)

    def with_session(self, user: str, digest: str) -> tuple[User | None, Session | None]:
        keys = _user_key(user, "user"), _user_key(user, f"session#{digest}")
        stored, session = self._read(keys)
        return _user(stored) if stored else None, session_of(session) if session else None

    def in_account(self, user: str, account: str) -> tuple[Account | None, Membership | None]:
        keys = _account_key(account, "account"), _account_key(account, f"member#{user}")
        stored, membership = self._read(keys)
        return account_of(stored) if stored else None, _membership(membership) if membership else None

    def memberships(self, user: str) -> list[tuple[Account, Membership]]:
        accounts = self.accounts_of(user)
        keys = [_account_key(account, name) for account in accounts for name in ("account", f"member#{user}")]
        read = self._read(keys)
        pairs = zip(read[::2], read[1::2], strict=True)
        return [(account_of(account), _membership(found)) for account, found in pairs if account and found]

    def membership(self, account: str, user: str) -> Membership | None:
        values = self._get(_account_key(account, f"member#{user}"))
        return _membership(values) if values else None

    def members(self, account: str) -> list[Membership]:
        return [_membership(values) for values in self._query(_account_key(account, "member#"))]

    def accounts_of(self, user: str) -> list[str]:
        return [_after_mark(values["sk"]) for values in self._query(_user_key(user, "account#"))]

    def describe(self, membership: Membership) -> None:
        try:
            self._client.update_item(
                TableName=self._table,
                Key=to_item(_account_key(membership.account, f"member#{membership.user}")),
                UpdateExpression="SET email = :email, #n = :name",
                ConditionExpression="attribute_exists(pk)",
                ExpressionAttributeNames={"#n": "name"},
                ExpressionAttributeValues=to_item({":email": membership.email, ":name": membership.name}),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return  # the user has left meanwhile

    def change_role(self, membership: Membership, role: Role, account: Account, tokens: Sequence[Token] = ()) -> None:
        update = {
            "Key": to_item(_account_key(membership.account, f"member#{membership.user}")),
            "UpdateExpression": "SET #r = :role",
            "ConditionExpression": "attribute_exists(pk)",
            "ExpressionAttributeNames": {"#r": "role"},
            "ExpressionAttributeValues": to_item({":role": role}),
        }
        deletions = map(_deletion, token_keys(account.uuid, tokens))
        self._transact({"Update": update}, *deletions, _lock(account, removed_tokens=len(tokens)))

    def leave(self, membership: Membership, account: Account, tokens: Sequence[Token] = ()) -> None:
        # Two items of each of at most 20 tokens; a transaction has 100 at most.
        keys = [*_membership_keys(membership), *token_keys(account.uuid, tokens)]
        self._transact(*map(_deletion, keys), _lock(account, removed_tokens=len(tokens)))

    def invite(self, invitation: Invitation, account: Account) -> None:
        values = {
            "email": invitation.email,
            "role": invitation.role,
            "invited_by": invitation.invited_by,
            "created_at": invitation.created_at,
            "purge_at": int((invitation.expires_at + RETENTION).timestamp()),
        }
        puts = [{"Put": {"Item": to_item({**key, **values})}} for key in _invitation_keys(invitation)]
        self._transact(*puts, _lock(account))

    def join(self, membership: Membership, invitation: Invitation, account: Account) -> None:
        deletions = [_deletion_as_read(key, invitation) for key in _invitation_keys(invitation)]
        self._transact(*_membership_puts(membership), *deletions, _lock(account))

    def withdraw(self, invitation: Invitation) -> None:
        self._transact(*(_deletion_as_read(key, invitation, or_gone=True) for key in _invitation_keys(invitation)))

    def invitations(self, account: str) -> list[Invitation]:
        return [_invitation(account, values) for values in self._query(_account_key(account, "invitation#"))]

    def invitations_to(self, email: str) -> list[Invitation]:
        found = self._query({"pk": f"email#{email}", "sk": "invitation#"})
        return [_invitation(_after_mark(values["sk"]), values) for values in found]

    def count_mail(self, account: str, now: datetime, limit: int) -> bool:
        try:
            self._client.update_item(
                TableName=self._table,
                Key=to_item(_account_key(account, f"mails#{now.astimezone(UTC).date().isoformat()}")),
                UpdateExpression="ADD sent :one SET purge_at = :purge_at",
                ConditionExpression="attribute_not_exists(sent) OR sent < :limit",
                ExpressionAttributeValues=to_item(
                    {":one": 1, ":limit": limit, ":purge_at": int((now + MAILS_RETENTION).timestamp())}
                ),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def clear_account(self, account: str) -> None:
        for membership in self.members(account):
            user = self.user(membership.user)
            if user is not None and self.accounts_of(user.id) == [account]:
                if user.disabled_at is None:
                    self._remove(user)
                elif user.account is not None:
                    self.change(user, account=None)
            for key in _membership_keys(membership):
                self._client.delete_item(TableName=self._table, Key=to_item(key))
        for invitation in self.invitations(account):
            self.withdraw(invitation)

    def _remove(self, user: User) -> None:
        """Remove a user with all sessions, unless the user has changed: perhaps a new account was opened."""
        sessions = [_user_key(user.id, values["sk"]) for values in self._query(_user_key(user.id, "session#"))]
        try:
            self._client.delete_item(
                TableName=self._table,
                Key=to_item(_user_key(user.id, "user")),
                ConditionExpression="revision = :revision",
                ExpressionAttributeValues=to_item({":revision": user.revision}),
            )
        except self._client.exceptions.ConditionalCheckFailedException:
            return
        for start in range(0, len(sessions), batches.MAX_DELETIONS_PER_WRITE):
            page = sessions[start : start + batches.MAX_DELETIONS_PER_WRITE]
            batches.delete(self._client, self._table, [to_item(session) for session in page])

    def _transact(self, *parts: dict[str, Any]) -> None:
        """Write all parts, or none; raises StaleWrite when a condition fails."""
        named = [{kind: {"TableName": self._table, **part} for kind, part in each.items()} for each in parts]
        if transact(self._client, named):
            raise StaleWrite

    def _read(self, keys: Sequence[dict[str, str]]) -> list[dict[str, Any] | None]:
        """The values of the items with these keys, in their order; None for one that is not there."""
        items = map(from_item, batches.read(self._client, self._table, list(map(to_item, keys))))
        found = {(values["pk"], values["sk"]): values for values in items}
        return [found.get((key["pk"], key["sk"])) for key in keys]

    def _get(self, key: dict[str, str]) -> dict[str, Any] | None:
        item = self._client.get_item(TableName=self._table, Key=to_item(key), ConsistentRead=True).get("Item")
        return from_item(item) if item else None

    def _query(self, first: dict[str, str]) -> Iterator[dict[str, Any]]:
        """The items of a partition whose sort keys begin with that of ``first``."""
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :sk)",
            ExpressionAttributeValues=to_item({":pk": first["pk"], ":sk": first["sk"]}),
        )
        for page in pages:
            yield from map(from_item, page["Items"])


def _user_key(user: str, sort_key: str) -> dict[str, str]:
    return {"pk": f"user#{user}", "sk": sort_key}


def _account_key(account: str, sort_key: str) -> dict[str, str]:
    return {"pk": f"account#{account}", "sk": sort_key}


def _membership_keys(membership: Membership) -> Sequence[dict[str, str]]:
    account, user = membership.account, membership.user
    return _account_key(account, f"member#{user}"), _user_key(user, f"account#{account}")


def _invitation_keys(invitation: Invitation) -> Sequence[dict[str, str]]:
    account, email = invitation.account, invitation.email
    return _account_key(account, f"invitation#{email}"), {"pk": f"email#{email}", "sk": f"invitation#{account}"}


def _membership_puts(membership: Membership) -> list[dict[str, Any]]:
    values = {
        "role": membership.role,
        "email": membership.email,
        "name": membership.name,
        "joined_at": membership.joined_at,
    }
    member, pointer = _membership_keys(membership)
    return [
        {"Put": {"Item": to_item({**member, **values}), "ConditionExpression": "attribute_not_exists(pk)"}},
        {"Put": {"Item": to_item(pointer)}},
    ]


def _deletion(key: dict[str, str]) -> dict[str, Any]:
    return {"Delete": {"Key": to_item(key)}}


def _deletion_as_read(key: dict[str, str], invitation: Invitation, *, or_gone: bool = False) -> dict[str, Any]:
    """The deletion of an invitation, on condition that it was neither withdrawn nor renewed since it was read.

    Args:
        or_gone: whether it may have been withdrawn.
    """
    values = {":role": invitation.role, ":created_at": invitation.created_at}
    gone = "attribute_not_exists(pk) OR " if or_gone else ""
    return {
        "Delete": {
            "Key": to_item(key),
            "ConditionExpression": f"{gone}#r = :role AND created_at = :created_at",
            "ExpressionAttributeNames": {"#r": "role"},
            "ExpressionAttributeValues": to_item(values),
        }
    }


def _lock(account: Account, removed_tokens: int = 0) -> dict[str, Any]:
    """The part of a transaction that raises the account's revision, on condition that the account has not changed."""
    return {
        "Update": {
            "Key": to_item(_account_key(account.uuid, "account")),
            "UpdateExpression": "ADD revision :one, tokens :change",
            "ConditionExpression": "revision = :revision",
            "ExpressionAttributeValues": to_item(
                {":one": 1, ":change": -removed_tokens, ":revision": account.revision}
            ),
        }
    }


def _user_change(user: User, changes: dict[str, Any]) -> dict[str, Any]:
    written = {name: value for name, value in changes.items() if value is not None}
    removed = [name for name, value in changes.items() if value is None]
    expression = "SET " + ", ".join(f"#{name} = :{name}" for name in written) if written else ""
    expression += " REMOVE " + ", ".join(f"#{name}" for name in removed) if removed else ""
    values = {f":{name}": value for name, value in written.items()}
    return {
        "Update": {
            "Key": to_item(_user_key(user.id, "user")),
            "UpdateExpression": f"{expression} ADD revision :one",
            "ConditionExpression": "revision = :revision",
            "ExpressionAttributeNames": {f"#{name}": name for name in changes},
            "ExpressionAttributeValues": to_item({**values, ":one": 1, ":revision": user.revision}),
        }
    }


def _user(values: dict[str, Any]) -> User:
    return User(
        id=_after_mark(values["pk"]),
        issuer=values["issuer"],
        subject=values["subject"],
        email=values["email"],
        name=values["name"],
        created_at=datetime.fromisoformat(values["created_at"]),
        account=values.get("account"),
        disabled_at=optional_time(values.get("disabled_at")),
        revision=values["revision"],
    )


def _membership(values: dict[str, Any]) -> Membership:
    return Membership(
        account=_after_mark(values["pk"]),
        user=_after_mark(values["sk"]),
        role=Role(values["role"]),
        email=values["email"],
        name=values["name"],
        joined_at=datetime.fromisoformat(values["joined_at"]),
    )


def _invitation(account: str, values: dict[str, Any]) -> Invitation:
    created_at = datetime.fromisoformat(values["created_at"])
    return Invitation(account, values["email"], Role(values["role"]), values.get("invited_by"), created_at)


def _after_mark(key: str) -> str:
    """What stands behind the first ``#`` of a key."""
    return key.partition("#")[2]
