"""Uploads by URL: how long a request takes, and what is asked before a server of the Web is."""

import hashlib
from dataclasses import replace
from datetime import timedelta

import pytest

from chalicelib.domain.collections import Collection
from chalicelib.domain.errors import QuotaExceeded, Unavailable
from chalicelib.domain.uploads import UploadRef
from chalicelib.domain.web_pictures import FETCH_SECONDS, NewUrlUpload, PictureUrl, WebPicture
from chalicelib.services.pipeline.upload_completion import LOCK_POLL_SECONDS, LOCK_WAIT_SECONDS
from chalicelib.services.url_uploads import UrlUploadService
from tests.fakes.clock import FakeClock
from tests.unit.services.harness import Harness

BODY = b"a picture"
URL = PictureUrl("pictures.example", 443, "/a.jpg")


class SlowPictures:
    """Fetches one picture in so many seconds of a clock."""

    def __init__(self, clock: FakeClock, seconds: float) -> None:
        self._clock, self._seconds = clock, seconds
        self.asked: list[PictureUrl] = []

    def fetch(self, url: PictureUrl) -> WebPicture:
        self.asked.append(url)
        self._clock.pass_by(timedelta(seconds=self._seconds))
        return WebPicture(BODY, url)


@pytest.fixture
def managed(world: Harness) -> Collection:
    return world.add_managed()


@pytest.mark.parametrize("seconds", [0, 3, FETCH_SECONDS])
def test_a_fetch_and_the_wait_for_a_locked_file_take_as_long_as_the_longest_wait(
    world: Harness, managed: Collection, seconds: float
) -> None:
    service = UrlUploadService(SlowPictures(world.clock, seconds), world.app.uploads, world.clock)
    began, key = world.clock(), f"{managed.prefix}a.jpg"
    other = UploadRef(managed.account, managed.uuid, "another")
    md5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
    assert world.ports.quota_ledger.lock(other, key, "another", began, began + timedelta(minutes=5), md5)
    with pytest.raises(Unavailable):
        service.upload(world.caller, managed, NewUrlUpload(URL))
    waited = (world.clock() - began).total_seconds()
    assert waited == pytest.approx(LOCK_WAIT_SECONDS, abs=LOCK_POLL_SECONDS)
    assert world.ports.quota_ledger.counts[managed.account].files == 0


def test_a_slow_fetch_leaves_a_file_that_is_free_its_turn(world: Harness, managed: Collection) -> None:
    service = UrlUploadService(SlowPictures(world.clock, FETCH_SECONDS), world.app.uploads, world.clock)
    assert service.upload(world.caller, managed, NewUrlUpload(URL)).path == "a.jpg"


@pytest.mark.parametrize(
    "allowed", [{"uploads_a_month": 1}, {"files": 1}, {"managed_bytes": len(BODY)}, {"bytes": len(BODY)}]
)
def test_nothing_is_fetched_for_an_account_whose_quota_is_used_up(
    world: Harness, managed: Collection, allowed: dict[str, int]
) -> None:
    pictures = SlowPictures(world.clock, 0)
    service = UrlUploadService(pictures, world.app.uploads, world.clock)
    caller = replace(world.caller, plan=replace(world.caller.plan, **allowed))
    stored = service.upload(caller, managed, NewUrlUpload(URL))
    for new in (NewUrlUpload(replace(URL, target="/b.jpg")), NewUrlUpload(URL, path="2024/a.jpg")):
        with pytest.raises(QuotaExceeded):
            service.upload(caller, managed, new)
    assert pictures.asked == [URL]
    assert service.upload(caller, managed, NewUrlUpload(URL)) == stored, "the same picture takes no quota"
