"""Settings, read from the environment once, when the first request or message needs them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TypeVar

from chalicelib.domain.errors import ConfigurationError
from chalicelib.domain.messages import Queue
from chalicelib.domain.plans import PLANS
from chalicelib.domain.users import SignUp

Choice = TypeVar("Choice", bound=StrEnum)
_ORIGIN = re.compile(r"\*|https?://[^\s,/?#@]+")


class VectorStoreKind(StrEnum):
    OPENSEARCH = "opensearch"
    SQLITE = "sqlite"


class OpenSearchProfile(StrEnum):
    """How an index keeps vectors; ``chalicelib.adapters.opensearch.mappings`` has the mapping of each."""

    LUCENE = "lucene"
    LUCENE_UNCOMPRESSED = "lucene-uncompressed"
    FAISS = "faiss"
    ON_DISK = "on-disk"
    SERVERLESS_CLASSIC = "serverless-classic"
    SERVERLESS_NEXTGEN = "serverless-nextgen"


@dataclass(frozen=True, slots=True)
class Tables:
    """Names of the DynamoDB tables."""

    accounts: str
    collections: str
    catalogue: str
    syncs: str


@dataclass(frozen=True, slots=True)
class SQLiteConfig:
    """``path`` is the file of the vector store; the functions share its disk."""

    path: str


@dataclass(frozen=True, slots=True)
class OpenSearchConfig:
    """Args:
    endpoint: the URL of the domain, collection or node.
    signing: the service that requests are signed for, ``es`` or ``aoss``; None where they are not signed.
    """

    endpoint: str
    signing: str | None = None
    profile: OpenSearchProfile = OpenSearchProfile.LUCENE
    shards: int = 1
    replicas: int = 0


@dataclass(frozen=True, slots=True)
class Config:
    """What the template tells the functions.

    Args:
        queues: the URL of each queue.
        public_url: where callers reach the API, without a trailing slash; None: it is taken from each request.
        allowed_origins: of the web pages that may use the API, as ``https://shop.example``; ``*`` stands for all.
        schedule_spread: seconds, 0 to 3,600, over which the syncs of one schedule start.
        tombstone_days: days that a removed object's embedding is kept.
        deletion_grace: seconds, 0 to 900, that a deletion waits for running workers before its last pass.
        retry_delay: seconds, 1 to 900, until a message is delivered again that has failed once.
        collection_write_units: write units a second that this process gives the records of one collection; 0 for any
            number.
        local_webhooks: whether events may be sent to this machine, too, as on the local system alone.
        local_servers: whether an S3-compatible server may be on this machine, as on the local system alone.
        secrets_key: the ARN of the KMS key that encrypts what customers entrust to us, such as access keys.
        function_timeout: seconds, 1 to 900, that the function may run; what it waits for must end before.
        sign_up: who gets an account at a first sign-in to the dashboard.
        default_plan: the plan of an account that a sign-in makes.
        sign_in_parameter: of Systems Manager, which says where users sign in; None: nobody can.
        invitation_sender: the address that sends mails of invitations; None: no mails are sent.
    """

    aws_region: str
    tables: Tables
    queues: Mapping[Queue, str]
    events_queue_arn: str
    managed_bucket: str
    thumbnails_bucket: str
    embedder_function: str
    vector_store: SQLiteConfig | OpenSearchConfig
    public_url: str | None = None
    allowed_origins: frozenset[str] = frozenset({"*"})
    schedule_spread: int = 3600
    tombstone_days: int = 30
    deletion_grace: int = 900
    retry_delay: int = 30
    collection_write_units: int = 0
    local_webhooks: bool = False
    local_servers: bool = False
    secrets_key: str = ""
    function_timeout: int = 900
    sign_up: SignUp = SignUp.INVITATION
    default_plan: str = "free"
    sign_in_parameter: str | None = None
    invitation_sender: str | None = None

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Config":
        """The settings of an environment.

        Raises:
            ConfigurationError: a variable is missing or malformed; the message names it.
        """
        read = _Reader(environ)
        return cls(
            aws_region=read.text("AWS_REGION"),
            tables=Tables(
                accounts=read.text("ACCOUNTS_TABLE"),
                collections=read.text("COLLECTIONS_TABLE"),
                catalogue=read.text("CATALOGUE_TABLE"),
                syncs=read.text("SYNCS_TABLE"),
            ),
            queues=MappingProxyType({queue: read.text(queue_variable(queue)) for queue in Queue}),
            events_queue_arn=read.text("EVENTS_QUEUE_ARN"),
            managed_bucket=read.text("MANAGED_BUCKET"),
            thumbnails_bucket=read.text("THUMBNAILS_BUCKET"),
            embedder_function=read.text("EMBEDDER_FUNCTION"),
            vector_store=read.vector_store(),
            public_url=read.optional("PUBLIC_URL"),
            allowed_origins=read.origins("ALLOWED_ORIGINS"),
            schedule_spread=read.number("SCHEDULE_SPREAD", 0, 3600, default=3600),
            tombstone_days=read.number("TOMBSTONE_DAYS", 16, 365, default=30),
            deletion_grace=read.number("DELETION_GRACE", 0, 900, default=900),
            retry_delay=read.number("RETRY_DELAY", 1, 900, default=30),
            collection_write_units=read.number("COLLECTION_WRITE_UNITS", 0, 100_000, default=0),
            local_webhooks=read.number("LOCAL_WEBHOOKS", 0, 1, default=0) == 1,
            local_servers=read.number("LOCAL_SERVERS", 0, 1, default=0) == 1,
            secrets_key=read.text("SECRETS_KEY"),
            function_timeout=read.number("FUNCTION_TIMEOUT", 1, 900, default=900),
            sign_up=read.choice("SIGN_UP", SignUp, default=SignUp.INVITATION),
            default_plan=read.plan("DEFAULT_PLAN", default="free"),
            sign_in_parameter=read.optional("SIGN_IN_PARAMETER"),
            invitation_sender=read.optional("INVITATION_SENDER"),
        )


def queue_variable(queue: Queue) -> str:
    """The environment variable that has the queue's URL."""
    return f"{queue.value.upper()}_QUEUE_URL"


@dataclass(frozen=True, slots=True)
class _Reader:
    environ: Mapping[str, str]

    def text(self, name: str) -> str:
        value = self.environ.get(name, "")
        if not value:
            raise ConfigurationError(f"The environment variable {name} is missing or empty.")
        return value

    def optional(self, name: str) -> str | None:
        return self.environ.get(name) or None

    def origins(self, name: str) -> frozenset[str]:
        """Origins, separated by commas; all, if there are none."""
        origins = frozenset((self.optional(name) or "*").split(","))
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                raise ConfigurationError(f"{name} has {origin!r}; write an origin as 'https://shop.example', or '*'.")
        return origins

    def number(self, name: str, lowest: int, highest: int, *, default: int) -> int:
        value = self.environ.get(name) or str(default)
        if not (value.isascii() and value.isdigit() and lowest <= int(value) <= highest):
            raise ConfigurationError(f"{name} is {value!r}; it must be a whole number from {lowest} to {highest}.")
        return int(value)

    def choice(self, name: str, kind: type[Choice], *, default: Choice | None = None) -> Choice:
        value = self.text(name) if default is None else self.environ.get(name) or default.value
        try:
            return kind(value)
        except ValueError:
            raise ConfigurationError(f"{name} is {value!r}; it must be one of {', '.join(kind)}.") from None

    def plan(self, name: str, *, default: str) -> str:
        value = self.environ.get(name) or default
        if value not in PLANS:
            raise ConfigurationError(f"{name} is {value!r}; it must be one of {', '.join(PLANS)}.")
        return value

    def vector_store(self) -> SQLiteConfig | OpenSearchConfig:
        if self.choice("VECTOR_STORE", VectorStoreKind) is VectorStoreKind.SQLITE:
            return SQLiteConfig(self.text("SQLITE_PATH"))
        return OpenSearchConfig(
            endpoint=self.text("OPENSEARCH_ENDPOINT"),
            signing=self.optional("OPENSEARCH_SIGNING"),
            profile=self.choice("OPENSEARCH_PROFILE", OpenSearchProfile, default=OpenSearchProfile.LUCENE),
            shards=self.number("OPENSEARCH_SHARDS", 1, 1000, default=1),
            replicas=self.number("OPENSEARCH_REPLICAS", 0, 10, default=0),
        )
