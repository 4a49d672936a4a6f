"""The ports: what the services need of the systems outside, no wider than they use them."""

from chalicelib.services.ports.accounts import Accounts, CollectionRegistry, QuotaLedger
from chalicelib.services.ports.adapters import Adapters
from chalicelib.services.ports.clock import Clock
from chalicelib.services.ports.collections import Catalogue, Collections, Duplicates, ImageInventory, Syncs
from chalicelib.services.ports.embeddings import Calibrations, Embedder, EmbeddingStash, QueryEmbedder
from chalicelib.services.ports.messages import FailureLog, Queues
from chalicelib.services.ports.requests import IdempotentAnswers, RateBuckets, SearchUploads, SigningKeyStore
from chalicelib.services.ports.storage import (
    Area,
    BucketAccessChecker,
    ManagedStorage,
    Secrets,
    Source,
    Sources,
    WebPictures,
)
from chalicelib.services.ports.users import IdentityProvider, Mailer, Sessions, Users
from chalicelib.services.ports.vectors import MaintainedVectorStore, Rebuild, VectorStore
from chalicelib.services.ports.webhooks import WebhookDeliveries, WebhookRegistry, WebhookSender

__all__ = [
    "Accounts",
    "Adapters",
    "Area",
    "BucketAccessChecker",
    "Calibrations",
    "Catalogue",
    "Clock",
    "CollectionRegistry",
    "Collections",
    "Duplicates",
    "Embedder",
    "EmbeddingStash",
    "FailureLog",
    "IdempotentAnswers",
    "IdentityProvider",
    "ImageInventory",
    "Mailer",
    "MaintainedVectorStore",
    "ManagedStorage",
    "QueryEmbedder",
    "Queues",
    "QuotaLedger",
    "RateBuckets",
    "Rebuild",
    "SearchUploads",
    "Secrets",
    "Sessions",
    "SigningKeyStore",
    "Source",
    "Sources",
    "Syncs",
    "Users",
    "VectorStore",
    "WebPictures",
    "WebhookDeliveries",
    "WebhookRegistry",
    "WebhookSender",
]
