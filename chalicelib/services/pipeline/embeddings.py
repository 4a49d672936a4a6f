"""What the embedder would make of objects, asked of it only where nobody has asked for the same bytes before."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.collections import Collection
from chalicelib.domain.embeddings import EMBEDDER_URL_SECONDS, ImageEmbedding, ObjectToEmbed, ReadFailure
from chalicelib.domain.files import (
    FileRecord,
    ObjectInfo,
    PendingWrite,
    as_indexed,
    content_key,
    md5_matches,
    new_thumbnail_key,
)
from chalicelib.services.ports import Catalogue, Embedder, ManagedStorage, Source


@dataclass(frozen=True, slots=True)
class EmbeddingRequest:
    """A record that waits for its picture, and the object as it was found."""

    draft: PendingWrite
    found: ObjectInfo

    @property
    def as_found(self) -> FileRecord:
        """The record that would follow, of the object that was found."""
        return replace(self.draft.record, etag=self.found.etag, size=self.found.size)


@dataclass(frozen=True, slots=True)
class EmbeddedImage:
    """A picture, and where its thumbnail is."""

    embedding: ImageEmbedding
    thumbnail: str


# A record with its picture; why there can be none; None where the object is no longer what was found.
Result = FileRecord | ReadFailure | None


@dataclass(frozen=True, slots=True)
class EmbeddingService:
    """Gives records their pictures, and the store their thumbnails."""

    catalogue: Catalogue
    storage: ManagedStorage
    embedder: Embedder

    def model_version(self) -> str:
        """The stamp that counts as up to date."""
        return self.embedder.model_version()

    def embed(
        self, collection: Collection, source: Source, model: str, wanted: Sequence[EmbeddingRequest]
    ) -> Iterator[tuple[EmbeddingRequest, Result]]:
        """Each with its result, in no order. The same bytes are embedded once in an account and model.

        Raises:
            EmbedderUnavailable: no answer could be had.
        """
        names = [content_key(collection.account, model, each.found) for each in wanted]
        known = self.catalogue.find_by_content(list(dict.fromkeys(names))) if names else {}
        first: dict[str, EmbeddingRequest] = {}
        copies: list[tuple[EmbeddingRequest, EmbeddingRequest]] = []
        for each, name in zip(wanted, names, strict=True):
            if (record := self._shared(each, known.get(name))) is not None:
                yield each, record
            elif name in first:
                copies.append((each, first[name]))
            else:
                first[name] = each
        results = dict(self._ask(collection, source, list(first.values())))
        left = []
        for each, original in copies:
            made = results[original]
            if (record := self._shared(each, made if isinstance(made, FileRecord) else None)) is not None:
                yield each, record
            else:
                left.append(each)
        yield from results.items()
        yield from self._ask(collection, source, left)

    def tidy(self, drafts: Sequence[PendingWrite], stale: set[str]) -> None:
        """Delete the thumbnails that records no longer show, and those of records that were refused as stale."""
        for record, previous in ((draft.record, draft.previous) for draft in drafts):
            before = previous.thumbnail if previous else None
            useless = record.thumbnail if record.key in stale else before
            if useless is not None and record.thumbnail != before:
                self.storage.delete_thumbnail(record.collection, useless)

    def _shared(self, each: EmbeddingRequest, twin: FileRecord | None) -> FileRecord | None:
        """The record with the picture and a copy of the thumbnail that a twin has, if it has both."""
        if twin is None or twin.embedding is None or twin.thumbnail is None:
            return None
        record, place = each.draft.record, new_thumbnail_key(each.draft.record.uuid)
        if not self.storage.copy_thumbnail(twin.collection, twin.thumbnail, record.collection, place):
            return None
        return _record(each, twin.embedding, place)

    def _ask(
        self, collection: Collection, source: Source, wanted: Sequence[EmbeddingRequest]
    ) -> Iterator[tuple[EmbeddingRequest, Result]]:
        if not wanted:
            return
        places = [new_thumbnail_key(each.draft.record.uuid) for each in wanted]
        results = self.embedder.embed_objects(
            [
                ObjectToEmbed(
                    source.presigned_get(each.found.key, seconds=EMBEDDER_URL_SECONDS),
                    self.storage.thumbnail_upload_url(collection.uuid, place, seconds=EMBEDDER_URL_SECONDS),
                )
                for each, place in zip(wanted, places, strict=True)
            ]
        )
        answered = list(zip(wanted, results, places, strict=True))
        doubtful = [
            w.found.key for w, r, _ in answered if isinstance(r, ImageEmbedding) and not md5_matches(r, w.found)
        ]
        # An ETag that is no MD5 of the bytes proves nothing: the object must still bear it after it was read.
        seen = source.head_objects(doubtful) if doubtful else {}
        for each, result, place in answered:
            if isinstance(result, ImageEmbedding):
                is_same = md5_matches(result, each.found) or (
                    result.size == each.found.size and seen[each.found.key] == each.found
                )
                yield each, _record(each, result, place) if is_same else None
            else:
                yield each, None if result.code == "source_not_found" else result


def _record(each: EmbeddingRequest, picture: ImageEmbedding, thumbnail: str) -> FileRecord:
    return as_indexed(each.as_found, picture, thumbnail)
