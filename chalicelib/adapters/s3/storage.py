"""The application's own buckets on S3: the pictures of managed collections, and all thumbnails."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from http import HTTPStatus
from itertools import groupby
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chalicelib.adapters.parallel import call_each
from chalicelib.domain.errors import Contention, NotFound, Unavailable
from chalicelib.domain.files import ObjectInfo
from chalicelib.domain.thumbnails import ThumbnailCopy, ThumbnailSize
from chalicelib.domain.uploads import StoredObject, UploadForm
from chalicelib.services.ports import Area

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

MAX_KEYS_PER_DELETION = 1000  # of a DeleteObjects
_UPLOAD = "similarix-upload"  # the metadata of a stored file that names its upload
_NOT_FOUND_CODES = ("NoSuchKey", "404")
_CHANGED_CODES = ("PreconditionFailed", "412")


class S3Storage:
    def __init__(self, client: "S3Client", managed_bucket: str, thumbnails_bucket: str) -> None:
        self._client = client
        self._managed = managed_bucket
        self._thumbnails = thumbnails_bucket

    @property
    def bucket(self) -> str:
        return self._managed

    def put(self, area: Area, key: str, body: bytes, content_type: str) -> ObjectInfo:
        try:
            response = self._client.put_object(
                Bucket=self._managed, Key=area.check(key), Body=body, ContentType=content_type
            )
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == HTTPStatus.SERVICE_UNAVAILABLE:
                raise Unavailable("The storage takes no files at the moment. Try again later.") from error
            raise
        return ObjectInfo(key, response["ETag"].strip('"'), len(body))

    def copy(self, area: Area, key: str, target: str, content_type: str, *, md5: str, upload: str) -> None:
        try:
            self._client.copy_object(
                Bucket=self._managed,
                Key=area.check(target),
                CopySource={"Bucket": self._managed, "Key": area.check(key)},
                # The ETag of an object that was sent whole is its MD5, in a bucket that S3 encrypts with its own key:
                # https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
                CopySourceIfMatch=f'"{md5}"',
                MetadataDirective="REPLACE",
                ContentType=content_type,
                Metadata={_UPLOAD: upload},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _NOT_FOUND_CODES:
                raise NotFound("The uploaded file no longer exists. Upload it again.") from error
            if error.response["Error"]["Code"] in _CHANGED_CODES:
                raise Contention("The file was sent again while it was read. Try again in a moment.") from error
            raise

    def stored(self, area: Area, key: str) -> StoredObject | None:
        try:
            head = self._client.head_object(Bucket=self._managed, Key=area.check(key))
        except ClientError as error:
            if error.response["Error"]["Code"] in _NOT_FOUND_CODES:
                return None
            raise
        return StoredObject(head["Metadata"].get(_UPLOAD, ""), head["ETag"].strip('"'))  # see ``copy``

    def delete(self, area: Area, key: str) -> None:
        self._client.delete_object(Bucket=self._managed, Key=area.check(key))

    def presigned_get(self, area: Area, key: str, *, seconds: int) -> str:
        return self._client.generate_presigned_url(
            "get_object", Params={"Bucket": self._managed, "Key": area.check(key)}, ExpiresIn=seconds
        )

    def presigned_form(self, area: Area, key: str, *, size: int, content_type: str, seconds: int) -> UploadForm:
        form = self._client.generate_presigned_post(
            self._managed,
            area.check(key),
            Fields={"Content-Type": content_type},
            Conditions=[{"Content-Type": content_type}, ["content-length-range", size, size]],
            ExpiresIn=seconds,
        )
        return UploadForm(form["url"], form["fields"])

    def delete_all(self, area: Area, keys: Sequence[str]) -> None:
        self._delete(self._managed, [area.check(key) for key in keys])

    def delete_page(self, area: Area) -> bool:
        return any(self._delete_page(self._managed, prefix) for prefix in area.prefixes)

    def delete_thumbnails_page(self, collection: str) -> bool:
        return self._delete_page(self._thumbnails, f"{collection}/")

    def _delete_page(self, bucket: str, prefix: str) -> bool:
        objects = self._client.list_objects_v2(
            Bucket=bucket, Prefix=prefix, MaxKeys=MAX_KEYS_PER_DELETION
        ).get("Contents", [])  # fmt: skip
        if objects:
            self._delete(bucket, [stored["Key"] for stored in objects])
        return bool(objects)

    def _delete(self, bucket: str, keys: Sequence[str]) -> None:
        """Delete objects, whether they exist or not."""
        objects: Any = [{"Key": key} for key in keys]
        response = self._client.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
        if response.get("Errors"):
            raise Unavailable(f"S3 did not delete {len(response['Errors'])} of {len(keys)} objects.")

    def thumbnail(
        self, collection: str, thumbnail_key: str, size: ThumbnailSize = ThumbnailSize.MEDIUM
    ) -> bytes | None:
        key = _object_key(collection, thumbnail_key, size)
        try:
            return self._client.get_object(Bucket=self._thumbnails, Key=key)["Body"].read()
        except self._client.exceptions.NoSuchKey:
            return None

    def thumbnail_url(self, collection: str, thumbnail_key: str, *, seconds: int) -> str:
        key = _object_key(collection, thumbnail_key)
        return self._client.generate_presigned_url(
            "get_object", Params={"Bucket": self._thumbnails, "Key": key}, ExpiresIn=seconds
        )

    def thumbnail_upload_url(
        self, collection: str, thumbnail_key: str, *, size: ThumbnailSize = ThumbnailSize.MEDIUM, seconds: int
    ) -> str:
        key = _object_key(collection, thumbnail_key, size)
        return self._client.generate_presigned_url(
            "put_object",
            Params={"Bucket": self._thumbnails, "Key": key, "ContentType": "image/jpeg"},
            ExpiresIn=seconds,
        )

    def copy_thumbnails(self, copies: Sequence[ThumbnailCopy]) -> list[bool]:
        return call_each(self._copy_thumbnail, copies)

    def _copy_thumbnail(self, copy: ThumbnailCopy) -> bool:
        source: Any = {"Bucket": self._thumbnails, "Key": _object_key(copy.collection, copy.key)}
        target = _object_key(copy.to_collection, copy.to_key)
        try:
            self._client.copy_object(Bucket=self._thumbnails, Key=target, CopySource=source)
        except ClientError as error:
            if error.response["Error"]["Code"] in _NOT_FOUND_CODES:
                return False
            raise
        return True

    def delete_thumbnail(self, collection: str, thumbnail_key: str) -> None:
        self.delete_thumbnails(collection, [thumbnail_key])

    def delete_thumbnails(self, collection: str, thumbnail_keys: Sequence[str]) -> None:
        sizes = [_object_key(collection, key, size) for key in thumbnail_keys for size in ThumbnailSize]
        self._delete(self._thumbnails, sizes)

    def stored_thumbnails(self, collection: str, before: datetime) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._thumbnails, Prefix=f"{collection}/")
        stored = (entry for page in pages for entry in page.get("Contents", []))
        keys = (_thumbnail_key(collection, entry["Key"]) for entry in stored if entry["LastModified"] < before)
        # The sizes of one thumbnail follow each other in a listing.
        return (key for key, _ in groupby(keys))


def _object_key(collection: str, thumbnail_key: str, size: ThumbnailSize = ThumbnailSize.MEDIUM) -> str:
    suffix = "" if size is ThumbnailSize.MEDIUM else f"-{size}"
    return f"{collection}/{thumbnail_key}{suffix}.jpg"


def _thumbnail_key(collection: str, object_key: str) -> str:
    """The key of a thumbnail, of whatever size; its own part ends in a name without a hyphen."""
    folder, _, name = object_key.removeprefix(f"{collection}/").removesuffix(".jpg").rpartition("/")
    return f"{folder}/{name.partition('-')[0]}"
