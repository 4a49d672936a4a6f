"""Checks what the user may do for whom a request acts, by the role that the user has at that moment."""

from dataclasses import dataclass

from chalicelib.domain.accounts import Caller
from chalicelib.domain.errors import Forbidden
from chalicelib.domain.permissions import Permission, permits, refusal
from chalicelib.services.ports import Users


@dataclass(frozen=True, slots=True)
class PermissionService:
    users: Users

    def check(self, caller: Caller, permission: Permission) -> None:
        """Raises Forbidden if a user calls, or has made the token that calls, and may not do it now.

        A token that administration has issued, and each that descends from it, is nobody's: its scope says all.
        """
        if caller.user is not None:
            self.check_user(caller.account, caller.user, permission)

    def check_user(self, account: str, user: str, permission: Permission) -> None:
        """Raises Forbidden if the user may not do it in the account, or is no member."""
        membership = self.users.membership(account, user)
        if membership is None:
            raise Forbidden("You do not belong to this account any more.")
        if not permits(membership.role, permission):
            raise Forbidden(refusal(permission))
