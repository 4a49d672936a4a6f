"""The contract of every store of calibrations: one suite, run on the fake and on the emulator's DynamoDB."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

from chalicelib.adapters.dynamodb.accounts import DynamoDBAccounts
from chalicelib.adapters.dynamodb.calibrations import DynamoDBCalibrations
from chalicelib.domain.accounts import Account, Subscription
from chalicelib.domain.calibration import CalibrationAttempt
from chalicelib.domain.errors import NotFound
from chalicelib.services.ports import Accounts, Calibrations
from tests.contract.tables import make_table
from tests.factories import NOW, a_calibration
from tests.fakes.accounts import FakeAccounts
from tests.fakes.calibrations import FakeCalibrations


@dataclass(frozen=True)
class Subject:
    """A store of calibrations, and the accounts beside it."""

    calibrations: Calibrations
    accounts: Accounts

    def open_account(self) -> str:
        account = Account(str(uuid4()), "a shop", Subscription("business"), datetime(2026, 3, 1, tzinfo=UTC))
        self.accounts.add_account(account)
        return account.uuid


class CalibrationsContract:
    @pytest.fixture
    def subject(self) -> Subject:
        raise NotImplementedError

    def test_a_calibration_is_read_by_its_account_and_model_alone(self, subject: Subject) -> None:
        account, another = subject.open_account(), subject.open_account()
        calibration = a_calibration()
        subject.calibrations.write(account, calibration, NOW)
        read = subject.calibrations.read(account, calibration.model)
        assert read is not None
        assert (read.model, read.pictures, read.text) == (calibration.model, calibration.pictures, calibration.text)
        assert subject.calibrations.read(account, "another-1+d1") is None
        assert subject.calibrations.read(another, calibration.model) is None

    def test_a_later_calibration_replaces_an_earlier_one(self, subject: Subject) -> None:
        account = subject.open_account()
        for pictures in (100, 200):
            subject.calibrations.write(account, replace(a_calibration(), pictures=pictures), NOW)
        read = subject.calibrations.read(account, a_calibration().model)
        assert read is not None
        assert read.pictures == 200

    def test_the_latest_attempt_is_read_by_its_account_and_model_alone(self, subject: Subject) -> None:
        account, another = subject.open_account(), subject.open_account()
        assert subject.calibrations.attempt(account, "a-1+d1") is None
        for files in (70, 90):
            attempt = CalibrationAttempt(files, 60, NOW)
            subject.calibrations.write_attempt(account, "a-1+d1", attempt)
        assert subject.calibrations.attempt(account, "a-1+d1") == attempt
        assert subject.calibrations.attempt(account, "another-1+d1") is None
        assert subject.calibrations.attempt(another, "a-1+d1") is None
        assert subject.calibrations.read(account, "a-1+d1") is None

    def test_an_account_that_is_deleted_gets_none(self, subject: Subject) -> None:
        account = subject.open_account()
        stored = subject.accounts.account(account)
        assert stored is not None
        subject.accounts.begin_deletion(stored, NOW)
        for gone in (account, str(uuid4())):
            with pytest.raises(NotFound):
                subject.calibrations.write(gone, a_calibration(), NOW)
            with pytest.raises(NotFound):
                subject.calibrations.write_attempt(gone, "a-1+d1", CalibrationAttempt(70, 60, NOW))


class TestFake(CalibrationsContract):
    @pytest.fixture
    def subject(self) -> Subject:
        accounts = FakeAccounts()
        return Subject(FakeCalibrations(accounts), accounts)


class TestDynamoDB(CalibrationsContract):
    @pytest.fixture
    def subject(self, aws: Callable[[str], Any]) -> Subject:
        client = aws("dynamodb")
        table = make_table(client, "AccountsTable")
        return Subject(DynamoDBCalibrations(client, table), DynamoDBAccounts(client, table))

    def test_a_calibration_goes_with_its_account(self, subject: Subject) -> None:
        account = subject.open_account()
        subject.calibrations.write(account, a_calibration(), NOW)
        subject.calibrations.write_attempt(account, "a-1+d1", CalibrationAttempt(70, 60, NOW))
        stored = subject.accounts.account(account)
        assert stored is not None
        subject.accounts.begin_deletion(stored, NOW)
        while subject.accounts.delete_page(account):
            pass
        assert subject.calibrations.read(account, a_calibration().model) is None
        assert subject.calibrations.attempt(account, "a-1+d1") is None
