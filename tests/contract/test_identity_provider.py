"""The contract of every identity provider: one suite, run on the fake and on the emulator's Cognito."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from chalicelib.adapters.cognito.identity_provider import CognitoIdentityProvider
from chalicelib.adapters.cognito.settings import SignInSettings
from chalicelib.bootstrap import utc_now
from chalicelib.domain.errors import IdentityProviderUnavailable, SignInFailed
from chalicelib.domain.sign_in import SignInAttempt
from chalicelib.services.ports import IdentityProvider
from infra.emulator import REGION, Emulator
from infra.localhost import HOST, direct_session, free_port
from infra.sign_in_pages import sign_in
from infra.template import read_template
from tests.fakes.identity_provider import FakeIdentityProvider

CALLBACK, SIGNED_OUT = "http://localhost/sign-in/callback", "http://localhost/sign-out"
ADDRESS, PASSWORD = "ada@example.com", "a long password of Ada's"


@dataclass(frozen=True, slots=True)
class Pages:
    """The provider, and what a person does on its pages: a callable of the authorization URL, which returns where the
    pages lead to.
    """

    provider: IdentityProvider
    sign_in: Callable[[str], str]


class IdentityProviderContract:
    @pytest.fixture
    def pages(self) -> Pages:
        """A provider that knows one person, Ada, whose address is verified."""
        raise NotImplementedError

    @pytest.fixture
    def unverified(self) -> Pages:
        """A provider that knows one person, whose address is not verified."""
        raise NotImplementedError

    def test_a_person_comes_back_with_the_state_and_a_code_that_says_who_signed_in(self, pages: Pages) -> None:
        attempt, code = go(pages)
        identity = pages.provider.exchange(code, attempt, CALLBACK)

        assert (identity.email, identity.email_verified, identity.name) == (ADDRESS, True, "Ada Lovelace")
        assert identity.issuer.startswith("https://")
        assert identity.subject

    def test_a_person_is_the_same_at_each_sign_in(self, pages: Pages) -> None:
        first, second = (pages.provider.exchange(code, attempt, CALLBACK) for attempt, code in (go(pages), go(pages)))
        assert first == second

    def test_a_code_is_good_once(self, pages: Pages) -> None:
        attempt, code = go(pages)
        pages.provider.exchange(code, attempt, CALLBACK)

        with pytest.raises(SignInFailed):
            pages.provider.exchange(code, attempt, CALLBACK)

    def test_a_code_of_another_attempt_or_of_nobody_is_refused(self, pages: Pages) -> None:
        _, code = go(pages)
        for refused in (code, "no-code", ""):
            with pytest.raises(SignInFailed):
                pages.provider.exchange(refused, SignInAttempt.begin("/", utc_now()), CALLBACK)

    def test_a_code_for_another_page_is_refused(self, pages: Pages) -> None:
        attempt, code = go(pages)
        with pytest.raises(SignInFailed):
            pages.provider.exchange(code, attempt, "http://localhost/other")

    def test_a_token_of_another_nonce_is_refused(self, pages: Pages) -> None:
        attempt, code = go(pages, change=lambda url, nonce: url.replace(nonce, "another"))
        with pytest.raises(SignInFailed):
            pages.provider.exchange(code, attempt, CALLBACK)

    def test_an_address_that_is_not_verified_is_told(self, unverified: Pages) -> None:
        attempt, code = go(unverified)
        assert unverified.provider.exchange(code, attempt, CALLBACK).email_verified is False


def go(pages: Pages, change: Callable[[str, str], str] = lambda url, _: url) -> tuple[SignInAttempt, str]:
    """Sign in with a new attempt, whose URL and nonce a test may change; returns it and the code."""
    attempt = SignInAttempt.begin("/", utc_now())
    returned = urlsplit(pages.sign_in(change(pages.provider.authorization_url(attempt, CALLBACK), attempt.nonce)))
    answer = parse_qs(returned.query)
    assert f"{returned.scheme}://{returned.netloc}{returned.path}" == CALLBACK
    assert answer["state"] == [attempt.state]
    return attempt, answer["code"][0]


class TestFakeIdentityProvider(IdentityProviderContract):
    @pytest.fixture
    def pages(self) -> Pages:
        return self.provider(verified=True)

    @pytest.fixture
    def unverified(self) -> Pages:
        return self.provider(verified=False)

    def provider(self, *, verified: bool) -> Pages:
        fake = FakeIdentityProvider()
        fake.add(ADDRESS, name="Ada Lovelace", verified=verified)
        return Pages(fake, lambda url: fake.sign_in(url, ADDRESS))


Make = Callable[..., SignInSettings]


@pytest.fixture(scope="module")
def make_pool(emulator: Emulator, aws: Callable[[str], Any]) -> Make:
    """Makes a pool that knows Ada, with the client and the policies of the template."""
    cognito, resources = aws("cognito-idp"), read_template()["Resources"]
    of_pool, of_client = (resources[name]["Properties"] for name in ("UserPool", "SignInClient"))

    def make(*, verified: bool) -> SignInSettings:
        pool = cognito.create_user_pool(
            PoolName=f"contract-{secrets.token_hex(4)}",
            UsernameAttributes=of_pool["UsernameAttributes"],
            Policies={"PasswordPolicy": of_pool["Policies"]["PasswordPolicy"]},
        )["UserPool"]["Id"]
        own = {"UserPoolId": pool, "CallbackURLs": [CALLBACK], "LogoutURLs": [SIGNED_OUT]}
        own["SupportedIdentityProviders"] = ["COGNITO"]
        client = cognito.create_user_pool_client(**of_client | own)["UserPoolClient"]["ClientId"]
        attributes = {"email": ADDRESS, "email_verified": str(verified).lower(), "name": "Ada Lovelace"}
        cognito.admin_create_user(
            UserPoolId=pool,
            Username=ADDRESS,
            MessageAction="SUPPRESS",
            UserAttributes=[{"Name": name, "Value": value} for name, value in attributes.items()],
        )
        cognito.admin_set_user_password(UserPoolId=pool, Username=ADDRESS, Password=PASSWORD, Permanent=True)
        return SignInSettings(emulator.endpoint, f"https://cognito-idp.{REGION}.amazonaws.com/{pool}", client)

    return make


@pytest.fixture(scope="module")
def settings(make_pool: Make) -> SignInSettings:
    return make_pool(verified=True)


class TestCognito(IdentityProviderContract):
    @pytest.fixture
    def pages(self, settings: SignInSettings) -> Pages:
        return of(settings)

    @pytest.fixture
    def unverified(self, make_pool: Make) -> Pages:
        return of(make_pool(verified=False))

    def test_a_token_of_another_pool_is_refused(self, settings: SignInSettings) -> None:
        attempt, code = go(of(settings))
        other = replace(settings, issuer=f"{settings.issuer}x")
        with pytest.raises(SignInFailed, match="another pool's"):
            of(other).provider.exchange(code, attempt, CALLBACK)

    def test_pages_that_do_not_answer_are_unavailable(self, settings: SignInSettings) -> None:
        silent = of(replace(settings, url=f"http://{HOST}:{free_port()}")).provider
        with pytest.raises(IdentityProviderUnavailable, match="do not answer"):
            silent.exchange("code", SignInAttempt.begin("/", utc_now()), CALLBACK)

    def test_who_signs_out_comes_back_to_the_page_of_the_client_and_to_no_other(self, settings: SignInSettings) -> None:
        provider = of(settings).provider
        with direct_session() as session:
            answer = session.get(provider.sign_out_url(SIGNED_OUT), allow_redirects=False, timeout=10)
            assert (answer.status_code, answer.headers["Location"]) == (302, SIGNED_OUT)
            other = session.get(provider.sign_out_url("https://evil.example/"), allow_redirects=False, timeout=10)
            assert other.status_code == 400


def of(settings: SignInSettings) -> Pages:
    return Pages(CognitoIdentityProvider(lambda: settings), lambda url: sign_in(url, ADDRESS, PASSWORD))
