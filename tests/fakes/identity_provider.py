"""An identity provider in memory, with the people who sign in there."""

from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

from chalicelib.domain.errors import IdentityProviderUnavailable, SignInFailed
from chalicelib.domain.sign_in import SignInAttempt
from chalicelib.domain.users import Identity

URL = "https://login.example"
ISSUER = "https://issuer.example/pool"
CLIENT = "dashboard"


@dataclass(frozen=True, slots=True)
class _Grant:
    identity: Identity
    query: dict[str, str]


@dataclass
class FakeIdentityProvider:
    """``is_down`` makes it unavailable; ``people`` are known by their address."""

    people: dict[str, Identity] = field(default_factory=dict)
    is_down: bool = False
    _grants: dict[str, _Grant] = field(default_factory=dict)

    def add(self, email: str, *, name: str = "", verified: bool = True) -> Identity:
        """A person who has signed up."""
        identity = Identity(ISSUER, str(uuid4()), email, verified, name)
        self.people[email] = identity
        return identity

    def sign_in(self, authorization_url: str, email: str) -> str:
        """What a person does on the pages; returns the URL that these lead the browser to."""
        parts = urlsplit(authorization_url)
        assert f"{parts.scheme}://{parts.netloc}{parts.path}" == f"{URL}/oauth2/authorize"
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        assert (query["response_type"], query["client_id"]) == ("code", CLIENT)
        assert query["code_challenge_method"] == "S256"
        code = uuid4().hex
        self._grants[code] = _Grant(self.people[email], query)
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}"

    def authorization_url(self, attempt: SignInAttempt, redirect_uri: str) -> str:
        self._check()
        query = {
            "response_type": "code",
            "client_id": CLIENT,
            "redirect_uri": redirect_uri,
            "state": attempt.state,
            "nonce": attempt.nonce,
            "code_challenge": attempt.challenge,
            "code_challenge_method": "S256",
        }
        return f"{URL}/oauth2/authorize?{urlencode(query)}"

    def exchange(self, code: str, attempt: SignInAttempt, redirect_uri: str) -> Identity:
        self._check()
        grant = self._grants.get(code)
        if grant is None:
            raise SignInFailed("This sign-in was completed before.")
        query = grant.query
        if (query["code_challenge"], query["redirect_uri"]) != (attempt.challenge, redirect_uri):
            raise SignInFailed("This code belongs to another sign-in.")
        del self._grants[code]
        if query["nonce"] != attempt.nonce:
            raise SignInFailed("This token belongs to another sign-in.")
        return grant.identity

    def sign_out_url(self, return_to: str) -> str:
        self._check()
        return f"{URL}/logout?{urlencode({'client_id': CLIENT, 'logout_uri': return_to})}"

    def _check(self) -> None:
        if self.is_down:
            raise IdentityProviderUnavailable("The sign-in pages do not answer.")
