"""Computes the statistics of each account's own pictures, from a sample of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from chalicelib.domain.calibration import Calibration
from chalicelib.domain.embeddings import QueryVector
from chalicelib.services.maintenance.recall import Sample
from chalicelib.services.maintenance.records import is_searchable, record_chunks
from chalicelib.services.ports import Calibrations, Catalogue, Clock, Collections, Embedder

SAMPLED_PICTURES = 500
# Fewer would tell less than the statistics that a model ships with: the samples alone, 50 photographs, are enough to
# expect what held-out texts then find (docs/search.md).
MIN_PICTURES = 50

# Computes a calibration from a model version, vectors of pictures and vectors of unrelated texts.
Compute = Callable[[str, Sequence[bytes], Sequence[bytes]], Calibration]


@dataclass(frozen=True, slots=True)
class CalibrationService:
    collections: Collections
    catalogue: Catalogue
    embedder: Embedder
    calibrations: Calibrations
    now: Clock

    def embed_texts(self, texts: Sequence[str]) -> tuple[str, list[bytes]]:
        """The present model version, and the vectors of unrelated texts that it reads, which serve all accounts."""
        vectors = [result for result in self.embedder.embed_texts(texts) if isinstance(result, QueryVector)]
        return vectors[0].model, [vector.vector for vector in vectors]

    def calibrate(self, account: str, model: str, texts: Sequence[bytes], compute: Compute) -> int:
        """Store the statistics of an account's pictures, unless these are fewer than 50.

        Returns:
            How many pictures of the model version the account has.

        Raises:
            NotFound: the account is deleted.
        """
        sample = Sample(SAMPLED_PICTURES)
        for collection in self.collections.of_account(account):
            for records in record_chunks(self.catalogue, collection.uuid):
                for record in records:
                    if is_searchable(record, model):
                        sample.offer(record)
        if sample.offered >= MIN_PICTURES:
            vectors = [record.embedding.vector for record in sample.records if record.embedding is not None]
            self.calibrations.write(account, compute(model, vectors, texts), self.now())
        return sample.offered
