"""The local system's user of the dashboard, who owns the demo account and signs in as anybody does."""

from dataclasses import dataclass, field, replace

from chalicelib.domain.users import Identity, Role, SignUp
from infra.admin.deployment import Deployment
from infra.user_pool import UserPool

EMAIL, NAME = "demo@example.com", "Demo"


@dataclass(frozen=True, slots=True)
class DemoUser:
    email: str
    password: str = field(repr=False)


def add_demo_user(deployment: Deployment, token: str) -> DemoUser:
    """Make the user in the pool, or give it a new password, and have it own the account of a token.

    It may be interrupted and repeated.
    """
    services, pool = deployment.services, UserPool.of(deployment)
    assert pool is not None
    identity = Identity(pool.issuer, pool.add(EMAIL, NAME), EMAIL, email_verified=True, name=NAME)
    account = services.authentication.authenticate(f"Token {token}").account
    if all(member.email != EMAIL for member in services.users.members(account)):
        services.users.invite(account, EMAIL, Role.OWNER, None)
    # As one who was invited: by the deployment's own rule the user would get an empty account, too.
    user, _ = replace(services.users, sign_up=SignUp.INVITATION).sign_in(identity)
    services.users.work_in(user, account)
    return DemoUser(EMAIL, pool.set_password(EMAIL))
