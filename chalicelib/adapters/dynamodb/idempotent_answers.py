"""The answers to requests with an idempotency key, in DynamoDB: ``idempotency#HASH`` in the account's partition.

AWS Lambda Powertools keeps them: https://docs.aws.amazon.com/powertools/python/latest/utilities/idempotency/
A request in progress holds its key until its function's time is over, and then it counts as ended.

An item has at most 400 KB: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
Powertools writes an answer as JSON, in which a character beyond ASCII takes six bytes and more. So it gets the answer
compressed, in base64: one of ``ANSWER_LIMIT`` then has 350 KB at most, also if nothing of it can be compressed.
"""

import base64
import copy
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.idempotency import (
    DynamoDBPersistenceLayer,
    IdempotencyConfig,
    idempotent_function,
)
from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyAlreadyInProgressError,
    IdempotencyInconsistentStateError,
    IdempotencyPersistenceLayerError,
    IdempotencyValidationError,
)

from chalicelib.adapters.dynamodb.retries import DATABASE_BUSY
from chalicelib.domain.errors import Unavailable
from chalicelib.domain.idempotency import ANSWERS_KEPT, KeyedRequest, key_in_use, key_reused

if TYPE_CHECKING:
    from types_boto3_dynamodb.client import DynamoDBClient

PREFIX = "idempotency"  # of the sort key


class DynamoDBIdempotentAnswers:
    def __init__(self, client: "DynamoDBClient", table: str) -> None:
        # One for the process: each new one would add a handler to the client's events.
        self._layer = DynamoDBPersistenceLayer(
            table, key_attr="pk", sort_key_attr="sk", expiry_attr="purge_at", boto3_client=client
        )

    def answer(self, request: KeyedRequest, milliseconds_left: int, respond: Callable[[], str]) -> tuple[str, bool]:
        layer = copy.copy(self._layer)
        layer.static_pk_value = f"account#{request.account}"
        replayed = False

        def note(answer: str, _: Any) -> str:
            nonlocal replayed
            replayed = True
            return answer

        config: Any = IdempotencyConfig(
            event_key_jmespath="key",
            payload_validation_jmespath="payload",
            expires_after_seconds=int(ANSWERS_KEPT.total_seconds()),
            hash_function="sha256",
            lambda_context=_TimeLeft(milliseconds_left),  # type: ignore[arg-type]  # all that is read of one
            response_hook=note,  # type: ignore[arg-type]  # its Protocol wants other names of parameters
        )

        def once(*, request: dict[str, str]) -> str:  # noqa: ARG001  # the decorator reads it by its name
            return _packed(respond())

        answer_once: Callable[..., str] = idempotent_function(
            once, data_keyword_argument="request", config=config, persistence_store=layer, key_prefix=PREFIX
        )
        try:
            return _unpacked(answer_once(request={"key": request.key, "payload": request.payload})), replayed
        except IdempotencyAlreadyInProgressError as error:
            raise key_in_use() from error
        except IdempotencyValidationError as error:
            raise key_reused() from error
        except (IdempotencyPersistenceLayerError, IdempotencyInconsistentStateError) as error:
            raise Unavailable(DATABASE_BUSY) from error


def _packed(answer: str) -> str:
    return base64.b64encode(zlib.compress(answer.encode())).decode()


def _unpacked(packed: str) -> str:
    return zlib.decompress(base64.b64decode(packed)).decode()


class _TimeLeft:
    """What Powertools reads of Lambda's context."""

    def __init__(self, milliseconds: int) -> None:
        self._milliseconds = milliseconds

    def get_remaining_time_in_millis(self) -> int:
        return self._milliseconds
