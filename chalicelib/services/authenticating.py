"""Who is asking."""

from chalicelib.domain.accounts import token_digest, token_in
from chalicelib.domain.errors import Forbidden
from chalicelib.services.ports import Accounts


class Authentication:
    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts

    def account_of(self, authorization: str | None) -> str:
        """The account that an Authorization header speaks for.

        Raises:
            Forbidden: no header, a malformed one, or a token nobody has.
        """
        token = token_in(authorization)
        if token is None:
            raise Forbidden("Send your token in the header 'Authorization: Token your_token_here'.")
        known = self._accounts.token(token_digest(token))
        if known is None:
            raise Forbidden("This token is not valid. Check it, or get a new one.")
        return known.account
