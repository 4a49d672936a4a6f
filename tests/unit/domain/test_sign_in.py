"""An attempt to sign in outlives the way to the identity provider and back, and answers to nobody else."""

import base64
import hashlib
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.sign_in import ATTEMPT_LIFETIME, NEXT_LIMIT, SignInAttempt, network
from tests.factories import NOW

PATHS = st.text(st.characters(codec="utf-8"), max_size=2000).map(lambda text: f"/{text}")
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))


@given(PATHS, MOMENTS)
def test_a_cookie_keeps_the_attempt_within_what_a_browser_keeps(path, now):
    attempt = SignInAttempt.begin(path, now)
    cookie = attempt.cookie

    assert SignInAttempt.from_cookie(cookie) == attempt
    assert re.fullmatch(r"[A-Za-z0-9_.%/~-]+", cookie), "a cookie's value has neither spaces nor semicolons"
    assert len(cookie) < 2000
    assert attempt.next in (path, "/")


@given(st.one_of(st.none(), st.text(max_size=100), st.from_regex(r"[\w.-]{43}\.\d{1,20}\.[/\w%]*", fullmatch=True)))
def test_a_cookie_that_is_none_of_ours_is_none_or_an_attempt_of_its_own(value):
    attempt = SignInAttempt.from_cookie(value)
    assert attempt is None or SignInAttempt.from_cookie(attempt.cookie) == attempt


def test_a_path_that_is_too_long_is_forgotten():
    assert SignInAttempt.begin("/" + "a" * NEXT_LIMIT, NOW).next == "/"


def test_state_nonce_and_verifier_are_different_in_each_attempt_and_from_one_another():
    attempts = [SignInAttempt.begin("/", NOW) for _ in range(50)]
    values = [value for each in attempts for value in (each.state, each.nonce, each.verifier, each.secret)]

    assert len(set(values)) == 200
    # 43 to 128 unreserved characters: https://www.rfc-editor.org/rfc/rfc7636#section-4.1
    assert all(re.fullmatch(r"[A-Za-z0-9._~-]{43,128}", each.verifier) for each in attempts)


def test_the_challenge_is_the_verifiers_digest():
    attempt = SignInAttempt.begin("/", NOW)
    digest = hashlib.sha256(attempt.verifier.encode()).digest()

    assert base64.urlsafe_b64decode(attempt.challenge + "=") == digest
    assert "=" not in attempt.challenge


@given(st.one_of(st.none(), st.text(max_size=80)))
def test_only_its_own_state_answers_an_attempt(state):
    attempt = SignInAttempt.begin("/", NOW)
    assert not attempt.is_answered_by(state, NOW)
    assert attempt.is_answered_by(attempt.state, NOW)
    assert not SignInAttempt.begin("/", NOW).is_answered_by(attempt.state, NOW)


def test_an_answer_comes_in_time():
    attempt = SignInAttempt.begin("/", NOW)
    assert attempt.is_answered_by(attempt.state, attempt.began_at + ATTEMPT_LIFETIME)
    assert not attempt.is_answered_by(attempt.state, attempt.began_at + ATTEMPT_LIFETIME + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("", ""),
        ("unknown", "unknown"),
    ],
)
def test_a_customer_of_ipv6_counts_once_whatever_addresses_they_take(address, counted):
    assert network(address) == counted
