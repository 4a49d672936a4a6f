"""Our own buckets: the pictures of managed collections, and the thumbnails of all."""

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chalicelib.domain.files import ObjectInfo

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client


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

    def thumbnail(self, collection: str, file: str) -> bytes | None:
        try:
            return self._client.get_object(Bucket=self._thumbnails, Key=_name(collection, file))["Body"].read()
        except self._client.exceptions.NoSuchKey:
            return None

    def thumbnail_upload_url(self, collection: str, file: str, *, seconds: int) -> str:
        return self._client.generate_presigned_url(
            "put_object",
            Params={"Bucket": self._thumbnails, "Key": _name(collection, file), "ContentType": "image/jpeg"},
            ExpiresIn=seconds,
        )

    def copy_thumbnail(self, collection: str, file: str, to_collection: str, to_file: str) -> bool:
        source: Any = {"Bucket": self._thumbnails, "Key": _name(collection, file)}
        try:
            self._client.copy_object(Bucket=self._thumbnails, Key=_name(to_collection, to_file), CopySource=source)
        except ClientError as error:
            if error.response["Error"]["Code"] in ("NoSuchKey", "404"):
                return False
            raise
        return True

    def delete_thumbnail(self, collection: str, file: str) -> None:
        self._client.delete_object(Bucket=self._thumbnails, Key=_name(collection, file))


def _name(collection: str, file: str) -> str:
    return f"{collection}/{file}.jpg"
