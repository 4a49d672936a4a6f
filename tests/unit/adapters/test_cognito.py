"""What Cognito's adapter makes of ID tokens, and of the parameter that says where users sign in."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.adapters.cognito.id_tokens import CLOCK_SKEW_SECONDS, read_identity
from chalicelib.adapters.cognito.settings import KEPT_SECONDS, SignInParameter, SignInSettings
from chalicelib.domain.errors import IdentityProviderUnavailable, NotFound, SignInFailed
from tests.fakes.modelled import ModelledClient

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
SETTINGS = SignInSettings("https://login.example", "https://issuer.example/pool", "dashboard")
CLAIMS = {
    "iss": SETTINGS.issuer,
    "aud": SETTINGS.client_id,
    "token_use": "id",
    "exp": NOW.timestamp() + 300,
    "nonce": "the nonce",
    "sub": "0a1b",
    "email": "ada@example.com",
    "email_verified": True,
    "name": "Ada Lovelace",
}


def token(claims: Any) -> str:
    def encoded(part: Any) -> str:
        return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()

    return f"{encoded({'alg': 'RS256'})}.{encoded(claims)}.c2lnbmF0dXJl"


def read(claims: Any) -> Any:
    return read_identity(token(claims), SETTINGS, "the nonce", NOW)


class TestIdTokens:
    def test_a_token_says_who_signed_in(self):
        identity = read(CLAIMS)

        assert (identity.issuer, identity.subject) == (SETTINGS.issuer, "0a1b")
        assert (identity.email, identity.email_verified, identity.name) == ("ada@example.com", True, "Ada Lovelace")

    @pytest.mark.parametrize(
        ("claim", "value"),
        [
            ("iss", "https://issuer.example/pool2"),
            ("aud", "other"),
            ("aud", ["dashboard", "other"]),
            ("token_use", "access"),
            ("exp", NOW.timestamp() - CLOCK_SKEW_SECONDS),
            ("exp", "never"),
            ("nonce", "another nonce"),
            ("nonce", 7),
            ("nonce", "nöte"),
            ("sub", ""),
            ("sub", 7),
            ("email", ""),
            ("email", ["ada@example.com"]),
        ],
    )
    def test_a_claim_that_is_wrong_or_missing_refuses_the_token(self, claim, value):
        with pytest.raises(SignInFailed):
            read(CLAIMS | {claim: value})
        with pytest.raises(SignInFailed):
            read({name: given for name, given in CLAIMS.items() if name != claim})

    @pytest.mark.parametrize(
        ("value", "verified"), [(True, True), ("true", True), ("false", False), (1, True), (None, False)]
    )
    def test_an_address_is_verified_where_the_token_says_so(self, value, verified):
        assert read(CLAIMS | {"email_verified": value}).email_verified is verified

    def test_a_name_may_be_in_two_parts_or_missing(self):
        without = {name: value for name, value in CLAIMS.items() if name != "name"}

        assert read(without).name == ""
        assert read(without | {"given_name": "Ada", "family_name": "Lovelace"}).name == "Ada Lovelace"
        assert read(without | {"given_name": 7}).name == ""

    @pytest.mark.parametrize("claims", [[], "text", 7, None])
    def test_a_payload_that_is_no_object_is_refused(self, claims):
        with pytest.raises(SignInFailed, match="cannot be read"):
            read(claims)

    @given(st.one_of(st.text(), st.none(), st.integers(), st.from_regex(r"[\w.-]*\.[\w=-]*\.[\w-]*", fullmatch=True)))
    def test_whatever_is_no_token_is_refused_and_nothing_else_happens(self, text):
        with pytest.raises(SignInFailed):
            read_identity(text, SETTINGS, "the nonce", NOW)

    def test_a_token_without_nonce_is_refused_also_where_none_was_asked_for(self):
        with pytest.raises(SignInFailed):
            read_identity(token({n: v for n, v in CLAIMS.items() if n != "nonce"}), SETTINGS, "", NOW)

    @given(st.timedeltas(timedelta(days=-9), timedelta(days=9)))
    def test_a_token_is_good_until_it_expires(self, early):
        claims = CLAIMS | {"exp": (NOW + early).timestamp()}
        if early.total_seconds() > -CLOCK_SKEW_SECONDS:
            assert read(claims).subject == "0a1b"
        else:
            with pytest.raises(SignInFailed, match="expired"):
                read(claims)


class Parameters:
    """Systems Manager, with one parameter."""

    def __init__(self) -> None:
        self.value = json.dumps({"url": SETTINGS.url, "issuer": SETTINGS.issuer, "client_id": SETTINGS.client_id})
        self.reads = 0
        self.is_down = False

    def get_parameter(self, Name: str) -> dict[str, Any]:  # noqa: N803
        if self.is_down:
            raise EndpointConnectionError(endpoint_url="https://ssm.eu-west-1.amazonaws.com/")
        assert Name == "/similarix/similarix/sign-in"
        self.reads += 1
        return {"Parameter": {"Name": Name, "Type": "String", "Value": self.value, "Version": 1}}


class TestSettings:
    @pytest.fixture
    def parameters(self) -> Parameters:
        return Parameters()

    def parameter(self, parameters: Parameters, times: list[float], name: str | None = "/similarix/similarix/sign-in"):
        return SignInParameter(lambda: ModelledClient("ssm", parameters), name, lambda: times[0])

    def test_they_are_read_once_for_some_minutes(self, parameters):
        times = [1000.0]
        settings = self.parameter(parameters, times)

        assert [settings(), settings()] == [SETTINGS, SETTINGS]
        times[0] += KEPT_SECONDS - 1
        settings()
        assert parameters.reads == 1

    def test_after_that_another_client_is_known(self, parameters):
        times = [1000.0]
        settings = self.parameter(parameters, times)
        settings()
        parameters.value = parameters.value.replace("dashboard", "another")
        times[0] += KEPT_SECONDS

        assert settings().client_id == "another"

    def test_settings_that_cannot_be_read_are_read_again_at_the_next_sign_in(self, parameters):
        settings = self.parameter(parameters, [1000.0])
        parameters.is_down = True
        with pytest.raises(IdentityProviderUnavailable):
            settings()
        parameters.is_down = False

        assert settings() == SETTINGS

    def test_without_a_parameter_nobody_can_sign_in(self, parameters):
        with pytest.raises(NotFound, match="without sign-in"):
            self.parameter(parameters, [0.0], None)()
        assert parameters.reads == 0
