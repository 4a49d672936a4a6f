"""Computes the statistics of each account's own pictures, from a sample of them."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from chalicelib.domain.calibration import CalibrationAttempt
from chalicelib.domain.calibration_statistics import compute_calibration
from chalicelib.domain.collections import Collection
from chalicelib.domain.embeddings import QueryVector
from chalicelib.domain.errors import NotFound
from chalicelib.domain.files import FileRecord
from chalicelib.domain.unrelated_texts import UNRELATED_TEXTS
from chalicelib.domain.vectors import unit_vector
from chalicelib.services.maintenance.recall import Sample
from chalicelib.services.maintenance.records import is_searchable, record_chunks
from chalicelib.services.ports import Accounts, Calibrations, Catalogue, Clock, Collections, Embedder

SAMPLED_PICTURES = 500
# Fewer would tell less than the statistics that a model ships with: the samples alone, 50 photographs, are enough to
# expect what held-out texts then find (docs/search.md).
MIN_PICTURES = 50
# An account is calibrated again by itself when it has so many times the files, or that part of them. So all its
# calibrations together read three times what one of its present files reads.
GROWTH = 1.5
# Where fewer pictures were found, those that were read have failed, or a new model is yet to embed them. So the account
# is tried again, but not each night.
RETRY_AFTER = timedelta(days=7) - timedelta(hours=1)  # a schedule does not begin to the second
# Records of an account that a calibration by itself reads, which bounds what a night costs: some 20 seconds and 13,000
# read units.
MAX_RECORDS = 20_000
SECONDS_FOR_AN_ACCOUNT = 90.0

Vector = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class CalibrationRun:
    """What a run by itself has done; ``left`` is whether its time ended before it had looked at every account."""

    calibrated: int
    left: bool


@dataclass(frozen=True, slots=True)
class CalibrationService:
    """Args:
    max_records: of an account, that a run by itself reads.
    """

    accounts: Accounts
    collections: Collections
    catalogue: Catalogue
    embedder: Embedder
    calibrations: Calibrations
    now: Clock
    max_records: int = MAX_RECORDS

    def embed_texts(self, texts: Sequence[str] = UNRELATED_TEXTS) -> tuple[str, list[Vector]]:
        """The present model version, and the vectors of unrelated texts that it reads, which serve all accounts."""
        vectors = [result for result in self.embedder.embed_texts(texts) if isinstance(result, QueryVector)]
        return vectors[0].model, [unit_vector(vector.vector) for vector in vectors]

    def calibrate(self, account: str, model: str, texts: Sequence[Vector], max_records: int | None = None) -> int:
        """Store the statistics of an account's pictures, unless these are fewer than 50.

        Args:
            max_records: the most that are read; of each collection then the first by their keys.

        Returns:
            How many pictures of the model version the account has, among those that were read.

        Raises:
            NotFound: the account is deleted.
        """
        sample = Sample(SAMPLED_PICTURES)
        collections = self.collections.of_account(account)
        files = sum(collection.total_files for collection in collections)
        part = 1.0 if max_records is None else min(1.0, max_records / max(1, files))
        for collection in collections:
            for record in self._records(collection, part):
                if is_searchable(record, model):
                    sample.offer(record)
        # Of a part of the records, as many as that makes of all.
        population = round(sample.offered / part)
        if sample.offered >= MIN_PICTURES:
            pictures = [unit_vector(each.embedding.vector) for each in sample.records if each.embedding is not None]
            calibration = compute_calibration(model, pictures, texts)
            self.calibrations.write(account, replace(calibration, population=population), self.now())
        self.calibrations.write_attempt(account, model, CalibrationAttempt(files, population, self.now()))
        return sample.offered

    def run(self, seconds_left: Callable[[], float]) -> CalibrationRun:
        """Calibrate the accounts whose pictures have changed in number, as far as the time reaches.

        What is left is due the next time as well; what was calibrated is not.
        """
        texts: list[Vector] = []
        model, calibrated = self.embedder.model_version(), 0
        for account in self.accounts.all():
            if seconds_left() < SECONDS_FOR_AN_ACCOUNT:
                return CalibrationRun(calibrated, left=True)
            if account.deleted_at is not None or not self._is_due(account.uuid, model):
                continue
            if not texts:
                model, texts = self.embed_texts()
            try:
                calibrated += self.calibrate(account.uuid, model, texts, self.max_records) >= MIN_PICTURES
            except NotFound:  # its deletion has begun meanwhile
                continue
        return CalibrationRun(calibrated, left=False)

    def _is_due(self, account: str, model: str) -> bool:
        """Whether the account has enough files, and many more or fewer than at the latest attempt.

        Or that attempt has found far fewer pictures of the model version, and it is a week ago.
        """
        files = sum(collection.total_files for collection in self.collections.of_account(account))
        if files < MIN_PICTURES:
            return False
        attempt = self.calibrations.attempt(account, model)
        if attempt is None or not files / GROWTH < attempt.files < files * GROWTH:
            return True
        return attempt.pictures <= files / GROWTH and self.now() - attempt.at >= RETRY_AFTER

    def _records(self, collection: Collection, part: float) -> Iterator[FileRecord]:
        """The collection's records, or a part of them in the order of their keys."""
        limit = max(1, math.ceil(part * collection.files)) if part < 1 else None
        for records in record_chunks(self.catalogue, collection.uuid, limit):
            yield from records
