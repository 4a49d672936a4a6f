"""What becomes of an upload's staged file: it is embedded, copied to its place in the managed bucket, and indexed."""

from dataclasses import dataclass, replace

from chalicelib.domain.embeddings import EMBEDDER_URL_SECONDS, EmbeddedImage, ImageEmbedding, ObjectToEmbed, ReadFailure
from chalicelib.domain.errors import NotFound, Unavailable
from chalicelib.domain.files import file_uuid, new_thumbnail_key
from chalicelib.domain.image_files import mime_type
from chalicelib.domain.messages import IndexBatch, ObjectHint
from chalicelib.domain.syncs import Tally
from chalicelib.domain.uploads import FileLock, ManagedArea, NameRule, Upload, UploadState
from chalicelib.services.pipeline.embedding_batches import embed_batch
from chalicelib.services.pipeline.indexer import Indexer
from chalicelib.services.pipeline.upload_errors import error_of_incomplete
from chalicelib.services.ports import Catalogue, Clock, Embedder, ManagedStorage, QuotaLedger


@dataclass(frozen=True, slots=True)
class StagedFiles:
    """To be used under the lock of the upload's file."""

    catalogue: Catalogue
    quota_ledger: QuotaLedger
    storage: ManagedStorage
    embedder: Embedder
    indexer: Indexer
    now: Clock

    def embed(self, upload: Upload, key: str) -> tuple[ImageEmbedding | ReadFailure, str]:
        """Embed the staged file and store its thumbnail; returns the thumbnail's key, too."""
        thumbnail = new_thumbnail_key(file_uuid(upload.collection, key))
        thumbnail_url = self.storage.thumbnail_upload_url(upload.collection, thumbnail, seconds=EMBEDDER_URL_SECONDS)
        source_url = self.storage.presigned_get(upload.area, upload.staged_key, seconds=EMBEDDER_URL_SECONDS)
        (result,) = embed_batch(self.embedder, [ObjectToEmbed(source_url, thumbnail_url)])
        return result, thumbnail

    def store(self, upload: Upload, lock: FileLock, image: EmbeddedImage | None) -> Upload | None:
        """Store the staged file, if its ``image`` is given, and index the stored one; returns the upload as done.

        None if the stored file cannot be read. It is deleted then. After an error the file may be stored: its quota
        stays reserved, and the upload's message tries it again.
        """
        if lock.key != upload.target:
            upload = replace(upload, moved_to=lock.key)
            self.quota_ledger.set_target(upload)  # before the copy: whoever ends the upload looks for its file there
        if image is not None:
            self._copy_staged(upload, image.embedding)
        if not self._index_stored(upload, image):
            self.delete_stored(lock)
            return None
        embedding = image.embedding if image is not None else self._stored_embedding(upload)
        done = replace(
            upload,
            state=UploadState.DONE,
            mime_type=mime_type(embedding.format),
            replaced=upload.rule is NameRule.REPLACE and lock.md5 not in (None, embedding.md5),
        )
        self.quota_ledger.complete(done, lock, embedding.md5, self.now())
        return done

    def _copy_staged(self, upload: Upload, embedding: ImageEmbedding) -> None:
        area, content_type = upload.area, mime_type(embedding.format)
        try:
            # Only the bytes that the embedder has opened: the client may have sent others since.
            self.storage.copy(area, upload.staged_key, upload.target, content_type, md5=embedding.md5, upload=upload.id)
        except NotFound:  # the staged file has expired since it was embedded
            raise error_of_incomplete() from None

    def _index_stored(self, upload: Upload, image: EmbeddedImage | None) -> bool:
        """Index the stored file; False if it cannot be read."""
        # An S3 event may have come first and recorded a failure, so the file is to be tried again.
        hint = ObjectHint(upload.target, retry=True)
        embedded = {upload.target: image} if image is not None else {}
        metadata = {upload.target: upload.metadata} if upload.metadata is not None else {}
        batch = IndexBatch(upload.account, upload.collection, (hint,))
        tally = self.indexer.apply(batch, embedded=embedded, metadata=metadata)
        if tally == Tally():
            raise NotFound("There is no such collection.")
        if tally.done == tally.failed == 0:
            raise Unavailable("The stored file cannot be read just now. Try again in a moment.")
        return tally.done == 1

    def _stored_embedding(self, upload: Upload) -> ImageEmbedding:
        """The embedding of the stored file, which this worker has not embedded."""
        record = self.catalogue.get(upload.collection, upload.target)
        assert record is not None and record.embedding is not None
        return record.embedding

    def delete_stored(self, lock: FileLock) -> None:
        """Delete the stored file with its record, release what is charged for it, and unlock it.

        The upload stays pending. When it is tried next, its file is not stored, so it may fail.
        """
        self.storage.delete(ManagedArea(lock.account, lock.collection), lock.key)
        self.indexer.apply(IndexBatch(lock.account, lock.collection, (ObjectHint(lock.key),)))
        self.quota_ledger.refund_file(lock)
