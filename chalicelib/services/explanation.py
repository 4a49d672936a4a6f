"""Why an object is, or is not, indexed: what every place says of it, and what follows."""

from dataclasses import dataclass

from chalicelib.domain.collections import Collection
from chalicelib.domain.embeddings import ReadFailure
from chalicelib.domain.errors import InvalidRequest, SourceUnavailable
from chalicelib.domain.files import OVER_PLAN, Action, FileRecord, FileState, ObjectInfo, decide
from chalicelib.domain.vectors import SearchOptions, VectorQuery
from chalicelib.services.ports import Catalogue, Embedder, Sources, VectorStore

KEY_LIMIT = 1024  # bytes, S3's own
SELF_HITS = 100  # with the very same vector, among which the file is looked for


@dataclass(frozen=True, slots=True)
class Explanation:
    """``found`` is the object as S3 has it now, ``record`` the catalogue's, ``in_index`` what a search would show."""

    key: str
    found: ObjectInfo | ReadFailure | None
    record: FileRecord | None
    in_index: bool
    conclusion: str


@dataclass(frozen=True, slots=True)
class ExplanationService:
    catalogue: Catalogue
    sources: Sources
    embedder: Embedder
    vectors: VectorStore

    def explain(self, collection: Collection, key: str | None) -> Explanation:
        """What is known of the object with this key.

        Raises:
            InvalidRequest: no key, or a longer one than S3 has.
        """
        if not key:
            raise InvalidRequest("Name the object in the parameter 'key', as S3 has it.", field="key")
        if len(key.encode("utf-8", "surrogatepass")) > KEY_LIMIT:
            raise InvalidRequest(f"A key has at most {KEY_LIMIT:,} bytes.", field="key")
        record = self.catalogue.get(collection.uuid, key)
        found = self._look(collection, key)
        in_index = record is not None and self._in_index(record)
        return Explanation(key, found, record, in_index, self._conclusion(collection, key, found, record, in_index))

    def _look(self, collection: Collection, key: str) -> ObjectInfo | ReadFailure | None:
        try:
            return self.sources.of(collection).head_objects([key])[key]
        except SourceUnavailable as error:
            return ReadFailure(error.code, error.message, transient=True)

    def _in_index(self, record: FileRecord) -> bool:
        if record.embedding is None:
            return False
        query = VectorQuery(
            account=record.account,
            vector=record.embedding.vector,
            model=record.embedding.model,
            options=SearchOptions(limit=SELF_HITS, collections=(record.collection,)),
        )
        return any(hit.uuid == record.uuid for hit in self.vectors.search(query))

    def _conclusion(
        self,
        collection: Collection,
        key: str,
        found: ObjectInfo | ReadFailure | None,
        record: FileRecord | None,
        in_index: bool,
    ) -> str:
        if not collection.holds(key):
            return f"It lies outside the collection's folder {collection.folder}, so it is never looked at."
        if isinstance(found, ReadFailure):
            return f"It cannot be read just now: {found.message} What is indexed stays as it is."
        if found is None and (record is None or record.state is FileState.REMOVED):
            return "The bucket has no such object, and it is not indexed."
        if record is not None and record.state is FileState.PENDING:
            waits = "its object is looked at soon" if found else "nothing has arrived yet"
            return f"An upload of this name is under way, or it is to be tried again; {waits}."
        model = self.embedder.model_version()
        action = decide(record, found, model)
        if action is Action.REMOVE:
            assert record is not None
            where = "index" if record.state is FileState.INDEXED else "catalogue"
            return f"The object is gone from the bucket; the next sync or S3's event takes it out of the {where}."
        if action is not Action.NOTHING:
            return f"The object {_reason_to_index(record, found)}."
        assert record is not None
        if record.reason == OVER_PLAN:
            return "The plan had no room for it. The next sync indexes it if there is some by then."
        if record.state is FileState.FAILED:
            return f"It could not be read ({record.reason}) and is not tried again until it changes, or you ask for it."
        if not in_index:
            return "The catalogue has it as indexed, but a search does not find it; the store must be filled anew."
        return "It is indexed as it is in the bucket, and searches find it."


def _reason_to_index(record: FileRecord | None, found: ObjectInfo | None) -> str:
    """Why an object is to be looked at, and who will."""
    if record is None or record.state is FileState.REMOVED:
        return "has not been indexed yet; the next sync or S3's event indexes it"
    if found is not None and record.same_object(found):
        return "was looked at with another model; the next sync looks at it anew"
    return "has changed since it was last looked at; the next sync or S3's event looks at it anew"
