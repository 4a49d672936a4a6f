"""Embeds objects, reusing the embedding of identical bytes in the same account."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from chalicelib.domain.collections import Collection
from chalicelib.domain.embeddings import (
    EMBEDDER_URL_SECONDS,
    SOURCE_NOT_FOUND,
    EmbeddedImage,
    ImageEmbedding,
    KnownImage,
    ObjectToEmbed,
)
from chalicelib.domain.file_actions import is_same_object
from chalicelib.domain.file_images import image_of, unused_images
from chalicelib.domain.files import ObjectInfo, PendingWrite, content_key, md5_matches, new_thumbnail_key
from chalicelib.domain.index_plan import EmbeddingRequest, EmbeddingResult
from chalicelib.domain.thumbnails import ThumbnailCopy
from chalicelib.services.pipeline.embedding_batches import embed_batch
from chalicelib.services.pipeline.known_images import KnownImages
from chalicelib.services.ports import Catalogue, Clock, Embedder, EmbeddingStash, ManagedStorage, Source


@dataclass(frozen=True, slots=True)
class EmbeddingService:
    catalogue: Catalogue
    known_images: KnownImages
    storage: ManagedStorage
    embedder: Embedder
    stash: EmbeddingStash
    now: Clock

    def model_version(self) -> str:
        """The current model version."""
        return self.embedder.model_version()

    def embed(
        self,
        collection: Collection,
        source: Source,
        model: str,
        requests: Sequence[EmbeddingRequest],
        *,
        redelivered: bool = False,
    ) -> Iterator[tuple[EmbeddingRequest, EmbeddingResult]]:
        """Each request with its result, in any order. The same bytes are embedded once in an account and model.

        Args:
            redelivered: a worker may have embedded them before, and may not have been able to save them; or it may have
                been ended by one of them, so the embedder is asked for one object at a time.

        Raises:
            EmbedderUnavailable: the embedder did not answer.
        """
        contents = {request: content_key(collection.account, model, request.s3_object) for request in requests}
        reused, gone = self._reused_known(collection, contents, redelivered=redelivered)
        if gone:  # they were remembered, perhaps; another file may have the same bytes
            reused |= self._reused_known(collection, gone, redelivered=redelivered)[0]
        yield from reused.items()
        originals: dict[str, EmbeddingRequest] = {}
        repeated: list[EmbeddingRequest] = []
        for request, content in contents.items():
            if request not in reused and originals.setdefault(content, request) is not request:
                repeated.append(request)
        results = dict(self._embed_objects(collection, source, list(originals.values()), singly=redelivered))
        yield from results.items()
        images = {request: results[originals[contents[request]]] for request in repeated}
        copies = self._reused(
            collection,
            [
                (request, KnownImage(image.embedding, image.thumbnail, collection.uuid))
                for request, image in images.items()
                if isinstance(image, EmbeddedImage)
            ],
        )
        yield from copies.items()
        left = [request for request in repeated if request not in copies]
        yield from self._embed_objects(collection, source, left, singly=redelivered)

    def delete_unused(self, writes: Sequence[PendingWrite], stale: set[str]) -> None:
        """Delete the images and thumbnails that records have replaced, and those of records that were refused.

        A record is read before its image is deleted: one whose answer was lost seems refused, although it is stored.
        """
        stale = stale - self._stored(writes, stale)
        if images := unused_images(writes, stale):
            self.catalogue.delete_images(images)
        for write in writes:
            record = write.record
            previous = write.previous.thumbnail if write.previous else None
            unused = record.thumbnail if record.key in stale else previous
            if unused is not None and record.thumbnail != previous:
                self.storage.delete_thumbnail(record.collection, unused)

    def keep(self, writes: Sequence[PendingWrite]) -> None:
        """Keep the new embeddings of records that cannot be saved now, for the worker that tries it again."""
        images: dict[str, KnownImage] = {}
        for write in writes:
            record, previous = write.record, write.previous
            is_new = record.thumbnail is not None and (previous is None or previous.thumbnail != record.thumbnail)
            if is_new and record.embedding is not None and record.thumbnail is not None:
                content = content_key(
                    record.account, record.embedding.model, ObjectInfo(record.key, record.etag, record.size)
                )
                images[content] = KnownImage(record.embedding, record.thumbnail, record.collection)
        self.stash.put(images, self.now())

    def _stored(self, writes: Sequence[PendingWrite], stale: set[str]) -> set[str]:
        """The keys of refused records whose image and thumbnail a stored record names."""
        refused = [write.record for write in writes if write.key in stale]
        if not refused:
            return set()
        stored = self.catalogue.get_many(refused[0].collection, [record.key for record in refused])
        return {
            record.key
            for record in refused
            if record.key in stored
            and (image_of(stored[record.key]), stored[record.key].thumbnail) == (image_of(record), record.thumbnail)
        }

    def _reused_known(
        self, collection: Collection, contents: Mapping[EmbeddingRequest, str], *, redelivered: bool
    ) -> tuple[dict[EmbeddingRequest, EmbeddedImage], dict[EmbeddingRequest, str]]:
        """The reused images of requests, by their contents, and the requests whose image is known and cannot be reused.

        Those images are forgotten, so they are looked up the next time.
        """
        known = self._known_images(list(dict.fromkeys(contents.values())), redelivered=redelivered)
        reused = self._reused(collection, [(r, known[content]) for r, content in contents.items() if content in known])
        gone = {r: content for r, content in contents.items() if content in known and r not in reused}
        self.known_images.forget(gone.values())
        return reused, gone

    def _known_images(self, content_keys: Sequence[str], *, redelivered: bool) -> dict[str, KnownImage]:
        """Images of the same contents that other files have, or that could not be saved."""
        if not content_keys:
            return {}
        images = self.known_images.find(content_keys)
        unknown = [content for content in content_keys if content not in images] if redelivered else []
        return images | self.stash.get(unknown) if unknown else images

    def _reused(
        self, collection: Collection, images: Sequence[tuple[EmbeddingRequest, KnownImage]]
    ) -> dict[EmbeddingRequest, EmbeddedImage]:
        """The images of other files, each with a copy of its thumbnail.

        Those are left out that have no thumbnail, or perhaps other bytes.
        """
        images = [(request, image) for request, image in images if _is_same(collection, request, image)]
        copies = [
            ThumbnailCopy(
                image.collection,
                image.thumbnail,
                request.write.record.collection,
                new_thumbnail_key(request.write.record.uuid),
            )
            for request, image in images
        ]
        copied = self.storage.copy_thumbnails(copies) if copies else []
        return {
            request: EmbeddedImage(image.embedding, copy.to_key)
            for (request, image), copy, is_copied in zip(images, copies, copied, strict=True)
            if is_copied
        }

    def _embed_objects(
        self, collection: Collection, source: Source, requests: Sequence[EmbeddingRequest], *, singly: bool
    ) -> Iterator[tuple[EmbeddingRequest, EmbeddingResult]]:
        if not requests:
            return
        thumbnails = [new_thumbnail_key(request.write.record.uuid) for request in requests]
        objects = [
            ObjectToEmbed(
                source.presigned_get(request.key, seconds=EMBEDDER_URL_SECONDS),
                self.storage.thumbnail_upload_url(collection.uuid, thumbnail, seconds=EMBEDDER_URL_SECONDS),
            )
            for request, thumbnail in zip(requests, thumbnails, strict=True)
        ]
        results = embed_batch(self.embedder, objects, singly=singly)
        answers = list(zip(requests, results, thumbnails, strict=True))
        unproven = [
            request.key
            for request, result, _ in answers
            if isinstance(result, ImageEmbedding) and not md5_matches(result, request.s3_object)
        ]
        # An ETag that is not the MD5 of the bytes proves nothing: the object must still have it after it was read.
        current = source.head_objects(unproven) if unproven else {}
        for request, result, thumbnail in answers:
            if isinstance(result, ImageEmbedding):
                now = current.get(request.key)
                is_same = md5_matches(result, request.s3_object) or (
                    result.size == request.s3_object.size
                    and isinstance(now, ObjectInfo)
                    and is_same_object(request.s3_object, now)
                )
                yield request, EmbeddedImage(result, thumbnail) if is_same else None
            else:
                yield request, None if result.code == SOURCE_NOT_FOUND else result


def _is_same(collection: Collection, request: EmbeddingRequest, image: KnownImage) -> bool:
    """Whether an image of an equal ETag and size has the object's bytes.

    S3's ETags say so. Another server's may be anything, so they must be the MD5 that the image was found to have.
    """
    return collection.server is None or md5_matches(image.embedding, request.s3_object)
