"""Calibrations in memory."""

from datetime import datetime

from chalicelib.domain.calibration import Calibration, CalibrationAttempt
from chalicelib.domain.errors import NotFound
from chalicelib.services.ports import Accounts


class FakeCalibrations:
    """Tests may count its ``reads``."""

    def __init__(self, accounts: Accounts) -> None:
        self._accounts = accounts
        self._calibrations: dict[tuple[str, str], Calibration] = {}
        self._attempts: dict[tuple[str, str], CalibrationAttempt] = {}
        self.reads = 0

    def read(self, account: str, model: str) -> Calibration | None:
        self.reads += 1
        return self._calibrations.get((account, model))

    def write(self, account: str, calibration: Calibration, now: datetime) -> None:
        self._check(account)
        self._calibrations[account, calibration.model] = calibration

    def attempt(self, account: str, model: str) -> CalibrationAttempt | None:
        return self._attempts.get((account, model))

    def write_attempt(self, account: str, model: str, attempt: CalibrationAttempt) -> None:
        self._check(account)
        self._attempts[account, model] = attempt

    def _check(self, account: str) -> None:
        stored = self._accounts.account(account)
        if stored is None or stored.deleted_at is not None:
            raise NotFound("There is no such account.")
