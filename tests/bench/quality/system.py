"""The samples in a vector store, searched by the application's own service with a model in this process."""

import json
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from chalicelib.adapters.embedder.cache import CachedEmbedder
from chalicelib.domain.calibration import Calibration
from chalicelib.domain.calibration_statistics import compute_calibration
from chalicelib.domain.composition import FileTerm, Term, TextTerm
from chalicelib.domain.embeddings import QueryVector, ReadFailure
from chalicelib.domain.files import FileRecord
from chalicelib.domain.unrelated_texts import UNRELATED_TEXTS
from chalicelib.domain.vectors import FileSummary, SearchOptions, VectorDocument, unit_vector
from chalicelib.services.calibrations import CalibrationReader
from chalicelib.services.ports import VectorStore
from chalicelib.services.search import RelevanceOptions, SearchPage, SearchService
from embedder_container.handler import create_embedder
from embedder_container.models import load_description
from embedder_container.settings import Settings
from embedder_container.tasks import Timings
from tests.factories import a_collection, a_record, an_embedding
from tests.fakes.accounts import FakeAccounts
from tests.fakes.calibrations import FakeCalibrations

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "samples"
ACCOUNT, COLLECTION = "account", "8ff9ef69-fd22-4308-ad1e-22c59500d944"


class InProcessEmbedder:
    """The embedder of a model as ``services.ports.Embedder`` has it, without a function around it."""

    def __init__(self, model: str) -> None:
        settings = Settings.from_environ({"MODEL": model})
        self._embedder = create_embedder(load_description(settings.models_dir, model), settings)
        self.model = self._embedder.model.description.model_version

    def close(self) -> None:
        self._embedder.close()

    def embed_texts(self, texts: Sequence[str]) -> list[QueryVector | ReadFailure]:
        results = self._embedder.embed_texts(list(texts), Timings())
        return [QueryVector(self.model, b64decode(result["vector"])) for result in results]

    def embedded(self, image: bytes) -> Any:
        """The embedder's own answer for a picture."""
        return self._embedder.embed_image(image, Timings())

    def embed_image(self, image: bytes) -> Any:
        result = self.embedded(image)
        return an_embedding(model=self.model, vector=b64decode(result["vector"]))

    def model_calibration(self) -> Calibration | None:
        return None


@dataclass(frozen=True)
class SampleSearch:
    """Searches the samples under one model.

    ``titles`` are the captions by file; ``calibrated`` searches with the statistics of the samples, ``plain`` without.
    """

    titles: dict[str, str]
    records: dict[str, FileRecord]
    calibrated: SearchService
    plain: SearchService
    calibration: Calibration

    @classmethod
    def of(cls, embedder: InProcessEmbedder, store: VectorStore) -> Self:
        """Embed the samples and write them to the store."""
        samples = json.loads((SAMPLES / "samples.json").read_text("utf-8"))
        titles = {Path(sample["file"]).stem: sample["title"] for sample in samples}
        collection = a_collection(account=ACCOUNT, uuid=COLLECTION)
        records = {}
        for name in titles:
            embedding = embedder.embed_image((SAMPLES / "photos" / f"{name}.jpg").read_bytes())
            records[name] = a_record(collection, f"{name}.jpg", embedding=embedding)
        store.upsert([_document(record) for record in records.values()])
        embeddings = [record.embedding for record in records.values() if record.embedding is not None]
        pictures = [unit_vector(embedding.vector) for embedding in embeddings]
        read = [each for each in embedder.embed_texts(UNRELATED_TEXTS) if isinstance(each, QueryVector)]
        calibration = compute_calibration(embedder.model, pictures, [unit_vector(each.vector) for each in read])
        calibrations: Any = FakeCalibrations(FakeAccounts())
        own: Any = _Stored(calibration)
        shipped: Any = embedder
        cached = CachedEmbedder(shipped)
        return cls(
            titles,
            records,
            SearchService(cached, store, CalibrationReader(own, shipped)),
            SearchService(cached, store, CalibrationReader(calibrations, shipped)),
            calibration,
        )

    def find(
        self, terms: Sequence[Term], *, calibrated: bool = True, cutoff: bool = False, shown: bool = False
    ) -> SearchPage:
        """All samples for a query, or those before chance begins."""
        service = self.calibrated if calibrated else self.plain
        records = {record.uuid: record for record in self.records.values()}
        relevance = RelevanceOptions(cutoff, shown)
        return service.by_terms(ACCOUNT, terms, records, SearchOptions(limit=100), relevance=relevance)

    def names(self, terms: Sequence[Term], *, calibrated: bool = True, cutoff: bool = False) -> list[str]:
        return [Path(hit.file.key).stem for hit in self.find(terms, calibrated=calibrated, cutoff=cutoff).hits]

    def file(self, name: str, weight: float = 1.0) -> FileTerm:
        return FileTerm(file=self.records[name].uuid, weight=weight, field="query")


class _Stored:
    """A store of one calibration, of every account."""

    def __init__(self, calibration: Calibration) -> None:
        self._calibration = calibration

    def read(self, _account: str, _model: str) -> Calibration:
        return self._calibration


def text(words: str, weight: float = 1.0) -> TextTerm:
    return TextTerm(text=words, weight=weight, field="query")


def _document(record: FileRecord) -> VectorDocument:
    assert record.embedding is not None
    summary = FileSummary(collection=COLLECTION, bucket="samples", key=record.key, size=1, md5="0" * 32)
    return VectorDocument(
        uuid=record.uuid,
        account=ACCOUNT,
        model=record.embedding.model,
        version=1,
        vector=record.embedding.vector,
        file=summary,
    )
