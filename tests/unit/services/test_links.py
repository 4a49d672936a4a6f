"""Links: signed for one picture of one account until a time, and with keys that are rotated."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.links import LINK_LIFETIME, LINK_PERIOD, Link, expiry
from chalicelib.services.links import KEYS_MAX_AGE, KEYS_MIN_AGE, LinkService
from tests.factories import NOW
from tests.fakes.clock import FakeClock
from tests.fakes.signing_keys import FakeSigningKeys

PATHS = st.text(st.characters(categories=["L", "N"]), min_size=1).map(lambda text: f"/media/{text}.jpg")
MOMENTS = st.datetimes(datetime(2026, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))


class Deployment:
    """Functions that share a store of keys and a clock."""

    def __init__(self) -> None:
        self.clock, self.store = FakeClock(NOW), FakeSigningKeys()

    def function(self) -> LinkService:
        return LinkService(self.store, self.clock)


@pytest.fixture
def deployment() -> Deployment:
    return Deployment()


def signed(service: LinkService) -> tuple[Link, str]:
    expires, signature = service.sign("/media/a/b.jpg", "an account", "an md5")
    return Link("/media/a/b.jpg", "an account", "an md5", expires), signature


@given(path=PATHS, moment=MOMENTS)
def test_a_link_works_for_one_to_two_periods(path: str, moment: datetime) -> None:
    left = datetime.fromtimestamp(expiry(path, moment), UTC) - moment
    assert LINK_PERIOD - timedelta(seconds=1) < left <= LINK_LIFETIME


@given(path=PATHS, moment=MOMENTS)
def test_a_picture_has_at_most_two_links_within_a_period(path: str, moment: datetime) -> None:
    moments = [moment + LINK_PERIOD * share / 48 for share in range(48)]
    assert len({expiry(path, each) for each in moments}) <= 2


def test_not_all_links_change_at_once() -> None:
    assert len({expiry(f"/media/{number}.jpg", NOW) for number in range(100)}) > 90


@pytest.mark.parametrize(
    "change", [{"path": "/media/a/c.jpg"}, {"account": "another"}, {"md5": "another"}, {"expires": 2**40}]
)
def test_a_signature_is_of_one_picture_of_one_account_until_one_time(
    deployment: Deployment, change: dict[str, str]
) -> None:
    service = deployment.function()
    link, signature = signed(service)
    assert service.is_signed(link, signature)
    assert not service.is_signed(link._replace(**change), signature)  # type: ignore[arg-type]


@given(forged=st.text())
def test_no_other_text_is_a_signature(forged: str) -> None:
    service = Deployment().function()
    link, signature = signed(service)
    assert service.is_signed(link, forged) is (forged == signature)


def test_every_function_accepts_the_links_of_the_others(deployment: Deployment) -> None:
    assert deployment.function().is_signed(*signed(deployment.function()))


def test_the_keys_are_read_once_in_a_while(deployment: Deployment) -> None:
    service = deployment.function()
    for _ in range(100):
        signed(service)
    assert deployment.store.reads == 1
    deployment.clock.pass_by(KEYS_MAX_AGE)
    signed(service)
    assert deployment.store.reads == 2


def test_forged_signatures_do_not_make_every_request_read_the_keys(deployment: Deployment) -> None:
    service = deployment.function()
    link, _ = signed(service)
    deployment.clock.pass_by(KEYS_MIN_AGE)
    for _ in range(100):
        assert not service.is_signed(link, "forged")
    assert deployment.store.reads == 2


def test_links_work_on_after_a_rotation_until_they_expire(deployment: Deployment) -> None:
    running, operator = deployment.function(), deployment.function()
    old = signed(running)
    operator.rotate()
    deployment.clock.pass_by(KEYS_MIN_AGE)
    new = signed(operator)
    assert new[1] != old[1]
    for service in (running, deployment.function()):
        assert service.is_signed(*old)
        assert service.is_signed(*new), "a function that signs with the old key still accepts the new one's links"
    deployment.clock.pass_by(LINK_LIFETIME)
    assert not deployment.function().is_signed(*old)


def test_revoked_links_end_in_every_function_as_soon_as_it_reads_the_keys_again(deployment: Deployment) -> None:
    running, operator = deployment.function(), deployment.function()
    old = signed(running)
    operator.rotate()
    older, old = old, signed(operator)
    operator.rotate(revoke=True)
    deployment.clock.pass_by(KEYS_MAX_AGE)
    for service in (running, operator, deployment.function()):
        assert not service.is_signed(*old)
        assert not service.is_signed(*older)
        assert service.is_signed(*signed(operator))


def test_rotations_at_once_all_take_place(deployment: Deployment) -> None:
    first, second = deployment.function(), deployment.function()
    signed(first)
    signed(second)
    before = first.rotate()
    assert second.rotate().previous == before.current
