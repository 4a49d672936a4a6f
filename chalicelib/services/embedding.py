"""What the embedder would make of objects, asked of it only where nobody has asked for the same bytes before."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from chalicelib.domain.collections import Collection
from chalicelib.domain.files import FileRecord, ObjectInfo, Picture, content, indexed, proves
from chalicelib.services.ports import Catalogue, Draft, Embedder, Failure, ManagedStorage, ObjectToEmbed, Source

URL_SECONDS = 900  # of a presigned URL for the embedder: longer than its function may run


@dataclass(frozen=True, slots=True)
class Wanted:
    """A record that waits for its picture, and the object as it was found."""

    draft: Draft
    found: ObjectInfo


# A record with its picture; why there can be none; None where the object is no longer what was found.
Result = FileRecord | Failure | None


@dataclass(frozen=True, slots=True)
class Embedding:
    """Gives records their pictures, and the store their thumbnails."""

    catalogue: Catalogue
    storage: ManagedStorage
    embedder: Embedder

    def model(self) -> str:
        """The stamp that counts as up to date."""
        return self.embedder.model()

    def embed(
        self, collection: Collection, source: Source, model: str, wanted: Sequence[Wanted]
    ) -> Iterator[tuple[Wanted, Result]]:
        """Each with its result, in no order. The same bytes are embedded once in an account and model.

        Raises:
            EmbedderUnavailable: no answer could be had.
        """
        known = self._known(collection, model, wanted)
        first: dict[str, Wanted] = {}
        copies: list[tuple[Wanted, Wanted]] = []
        for each in wanted:
            name = content(collection.account, model, each.found)
            if (twin := known.get(name)) is not None and self._shares(each, twin):
                assert twin.picture is not None
                yield each, self._record(each, twin.picture)
            elif name in first:
                copies.append((each, first[name]))
            else:
                first[name] = each
        results = dict(self._ask(collection, source, list(first.values())))
        left = []
        for each, original in copies:
            made = results[original]
            if isinstance(made, FileRecord) and made.picture is not None and self._shares(each, made):
                yield each, self._record(each, made.picture)
            else:
                left.append(each)
        yield from results.items()
        yield from self._ask(collection, source, left)

    def _known(self, collection: Collection, model: str, wanted: Sequence[Wanted]) -> dict[str, FileRecord]:
        names = list(dict.fromkeys(content(collection.account, model, each.found) for each in wanted))
        return self.catalogue.twins(names) if names else {}

    def _shares(self, each: Wanted, twin: FileRecord) -> bool:
        record = each.draft.record
        if (record.collection, record.uuid) == (twin.collection, twin.uuid):
            return True
        return self.storage.copy_thumbnail(twin.collection, twin.uuid, record.collection, record.uuid)

    def _ask(self, collection: Collection, source: Source, wanted: Sequence[Wanted]) -> Iterator[tuple[Wanted, Result]]:
        if not wanted:
            return
        results = self.embedder.embed_objects(
            [
                ObjectToEmbed(
                    source.url(each.found.key, seconds=URL_SECONDS),
                    self.storage.thumbnail_upload_url(collection.uuid, each.draft.record.uuid, seconds=URL_SECONDS),
                )
                for each in wanted
            ]
        )
        pairs = list(zip(wanted, results, strict=True))
        doubtful = [w.found.key for w, r in pairs if isinstance(r, Picture) and not proves(r, w.found)]
        # An ETag that is no MD5 of the bytes proves nothing: the object must still bear it after it was read.
        seen = source.look(doubtful) if doubtful else {}
        for each, result in pairs:
            if isinstance(result, Picture):
                is_same = proves(result, each.found) or (
                    result.size == each.found.size and seen[each.found.key] == each.found
                )
                yield each, self._record(each, result) if is_same else None
            else:
                yield each, None if result.code == "source_not_found" else result

    def _record(self, each: Wanted, picture: Picture) -> FileRecord:
        return indexed(replace(each.draft.record, etag=each.found.etag, size=each.found.size), picture)
