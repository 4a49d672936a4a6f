"""Secrets encrypted by KMS itself: an access key is far below the 4,096 bytes that it takes.

The encryption context binds a ciphertext to its collection, so that one that is copied into another item opens nothing:
https://docs.aws.amazon.com/kms/latest/developerguide/encrypt_context.html
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.errors import SourceDenied, SourceUnavailable, Unavailable

# A ciphertext that no attempt will open: https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html
_LOST_CODES = ("InvalidCiphertextException", "IncorrectKeyException", "NotFoundException")


class KMSSecrets:
    """Args:
    make_client: of KMS, made at its first use.
    key: the ARN of the key.
    """

    def __init__(self, make_client: Callable[[], Any], key: str) -> None:
        self._make_client = make_client
        self._key = key

    def seal(self, account: str, collection: str, secret: str) -> bytes:
        try:
            answer = self._client.encrypt(
                KeyId=self._key, Plaintext=secret.encode(), EncryptionContext=_context(account, collection)
            )
        except (ClientError, BotoCoreError) as error:
            raise Unavailable("The access key cannot be encrypted at the moment. Try again later.") from error
        return bytes(answer["CiphertextBlob"])

    def open(self, account: str, collection: str, sealed: bytes) -> str:
        try:
            answer = self._client.decrypt(
                KeyId=self._key, CiphertextBlob=sealed, EncryptionContext=_context(account, collection)
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _LOST_CODES:
                raise SourceDenied("The access key of the collection is lost. Give it a new one.") from error
            raise SourceUnavailable("The access key cannot be decrypted at the moment.") from error
        except BotoCoreError as error:
            raise SourceUnavailable("The access key cannot be decrypted at the moment.") from error
        return bytes(answer["Plaintext"]).decode()

    @cached_property
    def _client(self) -> Any:
        return self._make_client()


def _context(account: str, collection: str) -> dict[str, str]:
    return {"account": account, "collection": collection}
