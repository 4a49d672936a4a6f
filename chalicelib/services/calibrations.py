"""The statistics by which searches bring texts and pictures to one scale."""

import time
from collections.abc import Callable

from chalicelib.domain.calibration import Calibration
from chalicelib.services.ports import Embedder

CACHE_SECONDS = 300.0  # a search with an older calibration is only a little less well scaled


class CalibrationReader:
    """Reads the calibration of a model version, and keeps it for five minutes.

    Args:
        clock: seconds of a monotonic clock.
    """

    def __init__(self, embedder: Embedder, clock: Callable[[], float] = time.monotonic) -> None:
        self._embedder = embedder
        self._clock = clock
        self._shipped: tuple[float, Calibration | None] | None = None

    def read(self, model: str) -> Calibration | None:
        """The statistics that the model ships with; None for a model without any."""
        if self._shipped is None or self._clock() - self._shipped[0] >= CACHE_SECONDS:
            self._shipped = self._clock(), self._embedder.model_calibration()
        calibration = self._shipped[1]
        return calibration if calibration is not None and calibration.model == model else None
