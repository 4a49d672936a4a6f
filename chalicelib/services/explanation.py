"""Explains why an object is, or is not, indexed, from what the bucket, the catalogue and the store have."""

from dataclasses import dataclass

from chalicelib.domain.collections import KEY_LIMIT, MANAGED_PREFIX, Collection, CollectionType
from chalicelib.domain.embeddings import ReadFailure
from chalicelib.domain.errors import InvalidRequest, SourceUnavailable
from chalicelib.domain.file_actions import Action, decide
from chalicelib.domain.files import OVER_PLAN, WAITING_REASONS, FileRecord, FileState, ObjectInfo
from chalicelib.domain.image_files import stored_name
from chalicelib.domain.selection import Omission, OmissionReason
from chalicelib.domain.texts import check_storable
from chalicelib.domain.uploads import INLINE_STAGING, PRESIGNED_STAGING
from chalicelib.domain.vectors import SearchOptions, VectorQuery
from chalicelib.services.ports import Catalogue, Embedder, Sources, VectorStore

SELF_HITS = 100  # how many nearest hits must include the file itself; others may have the very same vector
# A key of the managed bucket begins so; a path of a managed collection may, and is then asked for by its key.
_KEYS_BEGIN = tuple(f"{folder}/" for folder in (MANAGED_PREFIX, PRESIGNED_STAGING, INLINE_STAGING))


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known of one object.

    Args:
        current: the object as S3 has it now, None if it does not exist.
        record: the catalogue's record of it.
        in_index: whether a search finds it.
    """

    key: str
    current: ObjectInfo | ReadFailure | None
    record: FileRecord | None
    in_index: bool
    conclusion: str


@dataclass(frozen=True, slots=True)
class ExplanationService:
    catalogue: Catalogue
    sources: Sources
    embedder: Embedder
    vectors: VectorStore

    def explain(self, collection: Collection, key: str | None, path: str | None = None) -> Explanation:
        """Explain the state of the object with this key, or of the file with this path within the collection.

        In a managed collection a file's path may stand for its key.

        Raises:
            InvalidRequest: both or neither is given, or the key is longer than S3 allows.
        """
        if path is not None and key is None:
            key = collection.prefix + (stored_name(path) if _is_managed(collection) else path)
        elif not key or path is not None:
            raise InvalidRequest(
                "Name the object either in the parameter 'key', by its key in S3, or in 'path', by its path within the "
                "collection.",
                field="key",
            )
        check_storable(key, "key")
        if _is_managed(collection) and not key.startswith(_KEYS_BEGIN):
            key = collection.prefix + stored_name(key)  # as an upload stores it
        if len(key.encode()) > KEY_LIMIT:
            raise InvalidRequest(f"A key has at most {KEY_LIMIT:,} bytes.", field="key")
        record = self.catalogue.get(collection.uuid, key)
        current = self._read_object(collection, key)
        in_index = record is not None and self._in_index(record)
        return Explanation(key, current, record, in_index, self._conclude(collection, key, current, record, in_index))

    def _read_object(self, collection: Collection, key: str) -> ObjectInfo | ReadFailure | None:
        if not _is_in_folder(collection, key):  # what else is in the bucket is not the caller's to know
            return ReadFailure("outside_folder", "The key is outside the collection's folder.", transient=False)
        try:
            source = self.sources.of(collection)
            current = source.head_objects([key])[key]
            if current is None and not _is_managed(collection):
                # S3 answers a HEAD of an object in a bucket that is gone as if only the object were.
                next(source.list_objects(key), None)
        except SourceUnavailable as error:
            return ReadFailure(error.code, error.message, transient=True)
        return current

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

    def _conclude(
        self,
        collection: Collection,
        key: str,
        current: ObjectInfo | ReadFailure | None,
        record: FileRecord | None,
        in_index: bool,
    ) -> str:
        if not collection.holds(key):
            return _why_not_held(collection, key, current)
        size = current.size if isinstance(current, ObjectInfo) else None
        if current is not None and (omission := collection.omission(key, size)) is not None:
            return _why_omitted(omission, record)
        if isinstance(current, ReadFailure):
            return f"The object cannot be read at the moment: {current.message} The index stays as it is."
        if current is None and (record is None or record.state is FileState.REMOVED):
            return _why_missing(collection, key)
        if record is not None and record.state is FileState.PENDING:
            progress = "its object will be indexed soon" if current else "its bytes have not arrived yet"
            return f"The file is pending, by an upload or a retry; {progress}."
        if current is None and record is not None and record.state is FileState.FAILED and _is_managed(collection):
            detail = (record.detail or "").rstrip(".")
            return f"The collection has no file of this name. Its last upload failed ({record.reason}: {detail})."
        action = decide(record.entry if record else None, current, self.embedder.model_version())
        if action is Action.REMOVE:
            assert record is not None
            listed_in = "index" if record.state is FileState.INDEXED else "catalogue"
            return f"The object is gone from the bucket; the next sync or S3 event removes it from the {listed_in}."
        if action is not Action.NOTHING:
            return f"The object {_reason_to_index(record, action)}."
        assert record is not None
        if record.reason == OVER_PLAN:
            return "The object would exceed the plan's limits. The next sync indexes it if the plan allows it then."
        if record.reason in WAITING_REASONS:
            return (
                f"The object could not be read when it was last tried ({record.reason}). The cause lies outside it: "
                "syncs try it again until they can read it."
            )
        if record.state is FileState.FAILED:
            return (
                f"The object could not be read ({record.reason}). It is tried again when it changes, or when you ask "
                "for it."
            )
        if not in_index:
            return "The catalogue lists the object as indexed, but searches do not find it: the store must be rebuilt."
        return "The object is indexed as it is in the bucket, and searches find it."


def _is_managed(collection: Collection) -> bool:
    return collection.type is CollectionType.MANAGED


def _is_in_folder(collection: Collection, key: str) -> bool:
    """Whether the key is in the collection's folder, although it may be one that stands for a folder itself."""
    is_folder = key.endswith("/") and key.startswith(collection.prefix) and not _is_managed(collection)
    return is_folder or collection.holds(key)


def _why_not_held(collection: Collection, key: str, current: ObjectInfo | ReadFailure | None) -> str:
    """Why the collection never has an object with this key, and which key may be meant."""
    if _is_in_folder(collection, key):
        if isinstance(current, ObjectInfo) and current.size:
            return (
                f"A key that ends in a slash stands for a folder, so this object of {current.size:,} bytes is never "
                "indexed. Copy it to a key without the slash at its end."
            )
        return "A key that ends in a slash stands for a folder, so it is never indexed; what lies in the folder is."
    outside = f"The key is outside the collection's folder {collection.folder}, so it is never indexed."
    if _is_managed(collection):
        name = key.rpartition("/")[2]  # nothing else of a key that may be another account's
        return f"{outside} Name a file of this collection as it was uploaded: '{name}'."
    without_slash = key.lstrip("/")
    if without_slash != key and collection.holds(without_slash):
        return f"{outside} Keys in S3 do not begin with the slash of a path: '{without_slash}' is in the folder."
    return f"{outside} Keys in the folder begin with '{collection.prefix}'."


def _why_omitted(omission: Omission, record: FileRecord | None) -> str:
    """Why the collection does not select an object, and what becomes of a file that it has been."""
    causes = {
        OmissionReason.EXCLUDED: f"The pattern '{omission.pattern}' excludes the object",
        OmissionReason.NOT_INCLUDED: "No pattern of include matches the object",
        OmissionReason.NO_PICTURE: "By its extension and size the object is no picture",
    }
    is_listed = record is not None and record.state is not FileState.REMOVED
    becomes = "the next sync removes it from the index" if is_listed else "it is never indexed"
    return f"{causes[omission.reason]}, so {becomes}."


def _why_missing(collection: Collection, key: str) -> str:
    """Why there is no object with this key, and which key may be meant."""
    if _is_managed(collection):
        return (
            "The collection has no file of this name. If an upload of it was refused, the response to that upload has "
            "the reason."
        )
    missing = "The bucket has no such object, and it is not indexed."
    without_slash = key.lstrip("/")
    if without_slash != key and without_slash:
        return f"{missing} Keys in S3 rarely begin with a slash: try '{without_slash}'."
    return missing


def _reason_to_index(record: FileRecord | None, action: Action) -> str:
    """Why an object is to be indexed, and by what."""
    if record is None or record.state is FileState.REMOVED:
        return "has not been indexed yet; the next sync or S3 event indexes it"
    if action is Action.REEMBED:
        return "was indexed with another model; the next sync indexes it again"
    return "has changed since it was indexed; the next sync or S3 event indexes it again"
