"""What the members of an account may do beyond working with its pictures, by their roles."""

from collections.abc import Mapping
from enum import StrEnum

from chalicelib.domain.users import Role


class Permission(StrEnum):
    """What not every member may do; what is named here by nothing, each one may.

    ``ACCOUNT``: name, export and delete it. ``COLLECTION_DELETION``: delete a collection, with the only copies of its
    pictures if it is managed. ``MEMBERS``: invite and remove others, and change their roles. ``TOKENS``: make tokens
    that may do everything, and revoke those of others. ``WEBHOOKS``: all about them.
    """

    ACCOUNT = "account"
    COLLECTION_DELETION = "collection_deletion"
    MEMBERS = "members"
    TOKENS = "tokens"
    WEBHOOKS = "webhooks"


PERMISSIONS: Mapping[Role, frozenset[Permission]] = {Role.OWNER: frozenset(Permission), Role.MEMBER: frozenset()}
_REFUSALS = {
    Permission.ACCOUNT: "renames, exports and deletes it",
    Permission.COLLECTION_DELETION: "deletes collections",
    Permission.MEMBERS: "invites and removes members and changes their roles",
    Permission.TOKENS: "makes tokens that may do everything, and revokes those of others",
    Permission.WEBHOOKS: "sees and changes webhooks",
}


def permits(role: Role, permission: Permission) -> bool:
    return permission in PERMISSIONS[role]


def refusal(permission: Permission) -> str:
    """Why a member may not do something, and what to do."""
    return f"Only an owner of this account {_REFUSALS[permission]}. Ask one."
