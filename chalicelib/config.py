"""Settings, read from the environment once, when the first request or message needs them."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Config:
    """What the template tells the functions; each field is the variable of the same name in capitals.

    ``public_url`` is where callers reach the API, without a trailing slash; empty, it is taken from each request.
    ``schedule_spread`` is over how many seconds, 3,600 at most, the syncs of one schedule start; ``tombstone_days``
    how long a removed object's embedding is kept; ``deletion_grace`` for how many seconds, 900 at most, a deletion
    waits for workers that may still write, before its last look; ``retry_pause`` for how many seconds, 900 at most, a
    message stays away that has failed once.
    ``vector_store`` is ``opensearch`` or ``embedded``; ``opensearch_signing`` the service that requests are signed for,
    empty where nobody asks for a signature; ``opensearch_profile`` one of ``chalicelib.adapters.opensearch_mappings``.
    """

    aws_region: str
    accounts_table: str
    collections_table: str
    catalogue_table: str
    syncs_table: str
    sync_queue_url: str
    index_queue_url: str
    events_queue_url: str
    events_queue_arn: str
    uploads_queue_url: str
    deletions_queue_url: str
    managed_bucket: str
    thumbnails_bucket: str
    embedder_function: str
    vector_store: str
    embedded_store_path: str
    opensearch_endpoint: str
    opensearch_signing: str
    opensearch_profile: str
    opensearch_shards: str
    opensearch_replicas: str
    public_url: str
    schedule_spread: str
    tombstone_days: str
    deletion_grace: str
    retry_pause: str

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Config":
        """Raises KeyError naming a variable that is missing."""
        optional = {
            "embedded_store_path": "",
            "opensearch_endpoint": "",
            "opensearch_signing": "",
            "opensearch_profile": "lucene",
            "opensearch_shards": "1",
            "opensearch_replicas": "0",
            "public_url": "",
            "schedule_spread": "3600",
            "tombstone_days": "30",
            "deletion_grace": "900",
            "retry_pause": "30",
        }
        values = {
            name: environ.get(name.upper(), optional[name]) if name in optional else environ[name.upper()]
            for name in cls.__dataclass_fields__
        }
        return cls(**values)
