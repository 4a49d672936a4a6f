"""The statistics by which searches bring texts and pictures to one scale, and tell where chance begins."""

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock

from chalicelib.domain.calibration import Calibration
from chalicelib.services.ports import Calibrations, Embedder

CACHE_SECONDS = 300.0  # a search with an older calibration is only a little less well scaled
MAX_CACHE_ENTRIES = 32  # of a quarter of a megabyte


class CalibrationReader:
    """Reads the calibration of an account under a model version, and keeps it for five minutes.

    Args:
        clock: seconds of a monotonic clock.
    """

    def __init__(
        self, calibrations: Calibrations, embedder: Embedder, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._calibrations = calibrations
        self._embedder = embedder
        self._clock = clock
        self._lock = Lock()
        self._own: OrderedDict[tuple[str, str], tuple[float, Calibration | None]] = OrderedDict()
        self._shipped: tuple[float, Calibration | None] | None = None

    def read(self, account: str, model: str) -> Calibration | None:
        """The statistics of the account's pictures, or those that the model ships with; None if there are neither."""
        return self._read_own(account, model) or self._read_shipped(model)

    def _read_own(self, account: str, model: str) -> Calibration | None:
        key, now = (account, model), self._clock()
        with self._lock:
            entry = self._own.get(key)
        if entry is None or now - entry[0] >= CACHE_SECONDS:
            entry = now, self._calibrations.read(account, model)
        with self._lock:
            self._own[key] = entry
            self._own.move_to_end(key)
            while len(self._own) > MAX_CACHE_ENTRIES:
                self._own.popitem(last=False)
        return entry[1]

    def _read_shipped(self, model: str) -> Calibration | None:
        if self._shipped is None or self._clock() - self._shipped[0] >= CACHE_SECONDS:
            self._shipped = self._clock(), self._embedder.model_calibration()
        calibration = self._shipped[1]
        return calibration if calibration is not None and calibration.model == model else None
