"""Uploads under crashes and outages: quota is neither oversold nor leaked, and files are never half stored."""

from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from chalicelib.domain.errors import NotFound, QuotaExceeded, UploadIncomplete
from chalicelib.domain.files import FileState
from chalicelib.domain.uploads import EXPIRY_CHECK_SECONDS, NameRule, UploadState
from tests.fakes.embedder import UNREADABLE
from tests.unit.services.upload_harness import ACCOUNT, Fault, FaultKind, UploadHarness

MOST_MOMENTS = 80  # for faults; no action of the model has more
rules = st.sampled_from(NameRule)
names = st.sampled_from(("a.jpg", "b.jpg", "c.jpg"))
numbers = st.integers(0, 9)
bodies = st.one_of(
    st.binary(min_size=1, max_size=60).filter(lambda body: not body.startswith(UNREADABLE)),
    st.binary(max_size=20).map(lambda rest: UNREADABLE + rest),
)
faults = st.one_of(st.none(), st.builds(Fault, st.sampled_from(FaultKind), st.integers(0, MOST_MOMENTS)))
outages = st.sampled_from(("none", "none", "none", "embedder down", "embedder refuses", "queues down", "store down"))


class Uploads(RuleBasedStateMachine):
    """Clients, workers and S3 act in any order; each action may meet a fault or an outage.

    At every moment the limits hold. At rest the stored files, the catalogue's indexed files, the index and the quota
    agree, and no upload is pending.
    """

    def __init__(self) -> None:
        super().__init__()
        self.harness = UploadHarness()

    @rule(name=names, body=bodies, rule=rules, fault=faults)
    def upload(self, name: str, body: bytes, rule: NameRule, fault: Fault | None) -> None:
        self.harness.upload(name, body, rule, fault=fault)

    @rule(name=names, body=bodies, rule=rules, fault=faults)
    def prepare(self, name: str, body: bytes, rule: NameRule, fault: Fault | None) -> None:
        self.harness.prepare(name, body, rule, fault=fault)

    @rule(number=numbers)
    def send(self, number: int) -> None:
        self.harness.send(number)

    @rule(number=numbers, fault=faults)
    def complete(self, number: int, fault: Fault | None) -> None:
        self.harness.complete(number, fault)

    @rule(number=numbers, fault=faults)
    def cancel(self, number: int, fault: Fault | None) -> None:
        self.harness.cancel(number, fault)

    @rule(number=numbers, fault=faults)
    def deliver(self, number: int, fault: Fault | None) -> None:
        self.harness.deliver(number, fault)

    @rule(number=numbers, fault=faults, again=st.booleans())
    def handle_event(self, number: int, fault: Fault | None, *, again: bool) -> None:
        self.harness.handle_event(number, fault, again=again)

    @rule(number=numbers)
    def lose_event(self, number: int) -> None:
        self.harness.lose_event(number)

    @rule(name=names, fault=faults)
    def delete(self, name: str, fault: Fault | None) -> None:
        self.harness.delete(name, fault)

    @rule(outage=outages)
    def begin_or_end_outage(self, outage: str) -> None:
        self.harness.embedder.down = outage == "embedder down"
        self.harness.embedder.refuses = outage == "embedder refuses"
        self.harness.queues.down = outage == "queues down"
        self.harness.vectors.down = outage == "store down"

    @rule(minutes=st.sampled_from((1, 4, 11)))
    def wait(self, minutes: int) -> None:
        self.harness.clock.pass_by(timedelta(minutes=minutes))

    @rule()
    def let_a_day_pass(self) -> None:
        self.harness.let_a_day_pass()

    def teardown(self) -> None:
        self.harness.finish_everything()
        self.harness.check_consistency()


class TestUploads(Uploads.TestCase):
    settings = settings(max_examples=200, stateful_step_count=16)


@pytest.fixture
def harness() -> UploadHarness:
    return UploadHarness()


def moment_of_storing() -> int:
    """The moment of an upload right after its file was copied to its key, before anything else is done."""

    def is_stored(moment: int) -> bool:
        harness = UploadHarness()
        harness.upload("a.jpg", b"picture", fault=Fault(FaultKind.KILLED, moment))
        return bool(harness.stored)

    return next(moment for moment in range(MOST_MOMENTS) if is_stored(moment))


@pytest.mark.parametrize("moment", range(MOST_MOMENTS))
def test_upload_whose_worker_died_is_counted_if_its_file_is_stored_though_it_is_polled_in_an_outage(
    harness: UploadHarness, moment: int
) -> None:
    for number in range(4):
        assert harness.upload("a.jpg", bytes([number]), NameRule.REPLACE)
    harness.queues.uploads.clear()
    harness.upload("b.jpg", b"\0", fault=Fault(FaultKind.KILLED, moment))
    of_b = list(harness.queues.uploads)
    harness.queues.uploads.clear()
    assert harness.prepare("a.jpg", b"\0")
    assert harness.send(0)
    harness.deliver()
    harness.deliver()
    harness.queues.uploads[:] = of_b
    harness.embedder.down = True
    harness.deliver()
    harness.finish_everything()
    harness.check_consistency()


@pytest.mark.parametrize("moment", range(MOST_MOMENTS))
def test_stored_file_that_cannot_be_read_is_deleted_and_quota_is_refunded_though_that_is_interrupted(
    harness: UploadHarness, moment: int
) -> None:
    assert harness.upload("a.jpg", b"replaced")
    harness.queues.uploads.clear()
    assert not harness.upload(
        "a.jpg", b"a replacement", NameRule.REPLACE, fault=Fault(FaultKind.KILLED, moment_of_storing())
    )
    assert harness.stored == {"a.jpg": len(b"a replacement")}
    harness.embedder.refuses = True
    harness.deliver(fault=Fault(FaultKind.KILLED, moment))
    harness.clock.pass_by(timedelta(minutes=11))
    harness.deliver()
    harness.events.clear()  # no event of S3's mends what the worker left
    harness.finish_everything()
    harness.check_consistency()
    (record,) = harness.catalogue.records.values()
    assert (record.state, harness.stored) in (
        (FileState.REMOVED, {}),
        (FileState.INDEXED, {"a.jpg": len(b"a replacement")}),
    )


@pytest.mark.parametrize("kind", FaultKind)
@pytest.mark.parametrize("moment", range(40))
def test_interrupted_cancellation_leaves_the_upload_complete_or_cancelled(
    harness: UploadHarness, kind: FaultKind, moment: int
) -> None:
    assert harness.prepare("a.jpg", b"picture")
    assert harness.send(0)
    harness.cancel(0, fault=Fault(kind, moment))
    harness.finish_everything()
    harness.check_consistency()


@pytest.mark.parametrize("moment", range(MOST_MOMENTS))
def test_expired_upload_whose_bytes_arrive_while_it_is_polled_is_completed_or_refunded(
    harness: UploadHarness, moment: int
) -> None:
    assert harness.prepare("a.jpg", b"picture")
    harness.deliver(fault=Fault(FaultKind.OVERTAKEN, moment))
    harness.finish_everything()
    harness.check_consistency()


def test_stored_file_is_indexed_though_its_s3_event_came_first_and_found_it_unreadable(harness: UploadHarness) -> None:
    harness.upload("a.jpg", b"picture", fault=Fault(FaultKind.KILLED, moment_of_storing()))
    harness.embedder.refuses = True
    harness.handle_event()
    (record,) = harness.catalogue.records.values()
    assert record.state is FileState.FAILED
    harness.finish_everything()
    harness.check_consistency()
    assert harness.stored == {"a.jpg": len(b"picture")}


def test_stored_file_is_counted_though_its_staged_one_has_expired(harness: UploadHarness) -> None:
    harness.upload("a.jpg", b"picture", fault=Fault(FaultKind.KILLED, moment_of_storing()))
    harness.let_a_day_pass()
    assert set(harness.bucket.objects) == {harness.collection.prefix + "a.jpg"}
    harness.finish_everything()
    harness.check_consistency()
    assert harness.stored == {"a.jpg": len(b"picture")}


def test_interrupted_upload_that_was_repeated_does_not_replace_the_newer_file(harness: UploadHarness) -> None:
    harness.upload("a.jpg", b"first", fault=Fault(FaultKind.KILLED, moment_of_storing() - 1))
    harness.clock.pass_by(timedelta(minutes=11))
    assert harness.upload("a.jpg", b"the second", NameRule.REPLACE)
    harness.finish_everything()
    harness.check_consistency()
    assert harness.bucket.objects == {harness.collection.prefix + "a.jpg": b"the second"}


def test_picture_is_embedded_once_and_no_staged_bytes_remain(harness: UploadHarness) -> None:
    assert harness.upload("a.jpg", b"picture")
    assert harness.embedder.embedded == [b"picture"]
    assert set(harness.bucket.objects) == {harness.collection.prefix + "a.jpg"}


def test_failure_on_our_side_refunds_the_quota_at_once(harness: UploadHarness) -> None:
    harness.embedder.down = True
    assert not harness.upload("a.jpg", b"picture")
    assert harness.quota_ledger.usage(ACCOUNT, "2026-03").managed_files == 0
    assert harness.bucket.objects == {}


@pytest.mark.parametrize("kind", FaultKind)
@pytest.mark.parametrize("moment", range(MOST_MOMENTS))
def test_interrupted_upload_is_completed_or_refunded(harness: UploadHarness, kind: FaultKind, moment: int) -> None:
    harness.upload("a.jpg", b"x" * 30, fault=Fault(kind, moment))
    harness.finish_everything()
    harness.check_consistency()


def test_every_moment_of_an_upload_has_met_a_fault(harness: UploadHarness) -> None:
    harness.upload("a.jpg", b"x" * 30, fault=Fault(FaultKind.KILLED, 10_000))
    assert 20 < harness.trap.moments < MOST_MOMENTS


def test_quota_of_an_interrupted_upload_is_refunded_by_the_uploads_own_message(harness: UploadHarness) -> None:
    assert not harness.upload("a.jpg", b"x" * 90, fault=Fault(FaultKind.KILLED, 9))
    with pytest.raises(QuotaExceeded):
        harness.uploads.upload(harness.caller, harness.collection, "b.jpg", b"y" * 90)
    harness.deliver()
    assert harness.upload("b.jpg", b"y" * 90)
    harness.finish_everything()
    harness.check_consistency()


def test_refused_upload_sends_and_writes_nothing(harness: UploadHarness) -> None:
    assert harness.upload("a.jpg", b"x" * 90)
    harness.queues.uploads.clear()
    before = dict(harness.quota_ledger.uploads)
    for _ in range(3):
        assert not harness.upload("b.jpg", b"y" * 90)
        assert not harness.prepare("b.jpg", b"y" * 90)
    assert (harness.queues.uploads, harness.quota_ledger.uploads) == ([], before)


def test_every_upload_has_a_message_before_it_reserves_quota(harness: UploadHarness) -> None:
    harness.queues.down = True
    assert not harness.upload("a.jpg", b"picture")
    assert not harness.prepare("b.jpg", b"picture")
    assert harness.quota_ledger.uploads == {}
    harness.queues.down = False
    assert harness.upload("a.jpg", b"picture")
    ((check, delay),) = harness.queues.uploads
    assert (harness.quota_ledger.upload(check.upload).state, delay) == (UploadState.DONE, EXPIRY_CHECK_SECONDS)
    harness.deliver()
    assert (harness.stored, harness.queues.uploads) == ({"a.jpg": 7}, [])


def test_upload_without_its_bytes_cannot_be_completed(harness: UploadHarness) -> None:
    assert harness.prepare("a.jpg", b"picture")
    with pytest.raises(UploadIncomplete):
        harness.uploads.complete(harness.collection, harness.sent[0].upload.id)
    (record,) = harness.catalogue.records.values()
    assert record.state is FileState.PENDING


def test_every_completion_of_an_upload_returns_the_same_result(harness: UploadHarness) -> None:
    assert harness.prepare("a.jpg", b"picture") and harness.send(0)
    results = {harness.uploads.complete(harness.collection, harness.sent[0].upload.id) for _ in range(3)}
    assert len(results) == 1
    assert len(harness.embedder.embedded) == 1


def test_upload_in_one_request_cannot_be_completed_by_another(harness: UploadHarness) -> None:
    harness.upload("a.jpg", b"picture", fault=Fault(FaultKind.KILLED, 9))
    (upload,) = harness.pending
    with pytest.raises(NotFound):
        harness.uploads.complete(harness.collection, upload.id)
