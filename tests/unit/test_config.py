"""Settings read from the environment: typed, checked, and named in the error."""

import pytest

from chalicelib.config import Config, OpenSearchConfig, OpenSearchProfile, SQLiteConfig, queue_variable
from chalicelib.domain.errors import ConfigurationError
from chalicelib.domain.messages import Queue

ENVIRONMENT = {
    "AWS_REGION": "eu-west-1",
    "ACCOUNTS_TABLE": "accounts",
    "COLLECTIONS_TABLE": "collections",
    "CATALOGUE_TABLE": "catalogue",
    "SYNCS_TABLE": "syncs",
    "EVENTS_QUEUE_ARN": "arn:aws:sqs:eu-west-1:111122223333:events",
    "MANAGED_BUCKET": "managed",
    "THUMBNAILS_BUCKET": "thumbnails",
    "EMBEDDER_FUNCTION": "embedder",
    "VECTOR_STORE": "sqlite",
    "SQLITE_PATH": "/vectors.sqlite",
    "SECRETS_KEY": "arn:aws:kms:eu-west-1:111122223333:key/a-key",
    **{queue_variable(queue): f"https://sqs.example/{queue}" for queue in Queue},
}


class Recording(dict[str, str]):
    """An environment that records which variables are read."""

    def __init__(self, values: dict[str, str]) -> None:
        super().__init__(values)
        self.read: set[str] = set()

    def get(self, name: str, default: str | None = None) -> str | None:
        self.read.add(name)
        return super().get(name, default)


def test_settings_have_their_types_and_defaults():
    config = Config.read(ENVIRONMENT)
    assert config.vector_store == SQLiteConfig("/vectors.sqlite")
    assert config.queues[Queue.INDEX] == "https://sqs.example/index"
    assert (config.schedule_spread, config.tombstone_days, config.deletion_grace, config.retry_delay) == (
        3600,
        30,
        900,
        30,
    )
    assert config.public_url is None


def test_opensearch_has_settings_of_its_own():
    environment = ENVIRONMENT | {
        "VECTOR_STORE": "opensearch",
        "OPENSEARCH_ENDPOINT": "https://search.example",
        "OPENSEARCH_PROFILE": "on-disk",
        "OPENSEARCH_SHARDS": "3",
        "OPENSEARCH_SIGNING": "es",
    }
    assert Config.read(environment).vector_store == OpenSearchConfig(
        "https://search.example", "es", OpenSearchProfile.ON_DISK, shards=3, replicas=0
    )


@pytest.mark.parametrize("name", sorted(ENVIRONMENT))
def test_a_missing_variable_is_named(name: str):
    with pytest.raises(ConfigurationError, match=name):
        Config.read({key: value for key, value in ENVIRONMENT.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VECTOR_STORE", "nowhere"),
        ("SCHEDULE_SPREAD", "soon"),
        ("SCHEDULE_SPREAD", "3601"),
        ("TOMBSTONE_DAYS", "15"),
        ("DELETION_GRACE", "-1"),
        ("RETRY_DELAY", "0"),
        ("RETRY_DELAY", "1_0"),
    ],
)
def test_a_malformed_value_is_named_with_its_variable(name: str, value: str):
    with pytest.raises(ConfigurationError, match=f"{name} is '{value}'"):
        Config.read(ENVIRONMENT | {name: value})
