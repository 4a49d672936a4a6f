"""Our own buckets: the pictures of managed collections, and the thumbnails of all."""

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chalicelib.domain.errors import NotFound, Unavailable
from chalicelib.domain.files import ObjectInfo
from chalicelib.domain.uploads import UploadForm

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

DELETE_LIMIT = 1000  # keys a DeleteObjects takes


class S3Storage:
    def __init__(self, client: "S3Client", managed_bucket: str, thumbnails_bucket: str) -> None:
        self._client = client
        self._managed = managed_bucket
        self._thumbnails = thumbnails_bucket

    @property
    def bucket(self) -> str:
        return self._managed

    def put(self, key: str, body: bytes, content_type: str) -> ObjectInfo:
        answer = self._client.put_object(Bucket=self._managed, Key=key, Body=body, ContentType=content_type)
        return ObjectInfo(key, answer["ETag"].strip('"'), len(body))

    def move(self, key: str, to: str, content_type: str) -> None:
        try:
            self._client.copy_object(
                Bucket=self._managed,
                Key=to,
                CopySource={"Bucket": self._managed, "Key": key},
                MetadataDirective="REPLACE",
                ContentType=content_type,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                raise NotFound("The bytes are gone.") from error
            raise

    def remove(self, key: str) -> None:
        self._client.delete_object(Bucket=self._managed, Key=key)

    def url(self, key: str, *, seconds: int) -> str:
        return self._client.generate_presigned_url(
            "get_object", Params={"Bucket": self._managed, "Key": key}, ExpiresIn=seconds
        )

    def form(self, key: str, *, size: int, content_type: str, seconds: int) -> UploadForm:
        answer = self._client.generate_presigned_post(
            self._managed,
            key,
            Fields={"Content-Type": content_type},
            Conditions=[{"Content-Type": content_type}, ["content-length-range", size, size]],
            ExpiresIn=seconds,
        )
        return UploadForm(answer["url"], answer["fields"])

    def remove_page(self, prefix: str) -> bool:
        return self._remove_page(self._managed, prefix)

    def remove_thumbnails_page(self, collection: str) -> bool:
        return self._remove_page(self._thumbnails, f"{collection}/")

    def _remove_page(self, bucket: str, prefix: str) -> bool:
        listed = self._client.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=DELETE_LIMIT).get("Contents", [])
        if listed:
            keys: Any = [{"Key": entry["Key"]} for entry in listed]
            answer = self._client.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
            if answer.get("Errors"):
                raise Unavailable(f"S3 did not delete {len(answer['Errors'])} of {len(keys)} objects.")
        return bool(listed)

    def thumbnail(self, collection: str, place: str) -> bytes | None:
        try:
            return self._client.get_object(Bucket=self._thumbnails, Key=_name(collection, place))["Body"].read()
        except self._client.exceptions.NoSuchKey:
            return None

    def thumbnail_upload_url(self, collection: str, place: str, *, seconds: int) -> str:
        return self._client.generate_presigned_url(
            "put_object",
            Params={"Bucket": self._thumbnails, "Key": _name(collection, place), "ContentType": "image/jpeg"},
            ExpiresIn=seconds,
        )

    def copy_thumbnail(self, collection: str, place: str, to_collection: str, to_place: str) -> bool:
        source: Any = {"Bucket": self._thumbnails, "Key": _name(collection, place)}
        try:
            self._client.copy_object(Bucket=self._thumbnails, Key=_name(to_collection, to_place), CopySource=source)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return False
            raise
        return True

    def delete_thumbnail(self, collection: str, place: str) -> None:
        self._client.delete_object(Bucket=self._thumbnails, Key=_name(collection, place))

    def stored_thumbnails(self, collection: str, before: datetime) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._thumbnails, Prefix=f"{collection}/")
        for page in pages:
            for entry in page.get("Contents", []):
                if entry["LastModified"] < before:
                    yield entry["Key"].removeprefix(f"{collection}/").removesuffix(".jpg")


def _name(collection: str, place: str) -> str:
    return f"{collection}/{place}.jpg"
