"""The one place where services are put together; each imported and made on its first use.

At the top stands what every search needs: the rest would double what a cold start of the API imports of ours.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

import boto3

from chalicelib.adapters.cached_embedder import CachedEmbedder
from chalicelib.config import Config
from chalicelib.domain.collections import Collection
from chalicelib.outside import Adapters
from chalicelib.services.authenticating import Authentication
from chalicelib.services.searching import Search

if TYPE_CHECKING:
    from chalicelib.services.accounting import AccountService
    from chalicelib.services.adopting import Adopting
    from chalicelib.services.collecting import CollectionService
    from chalicelib.services.deleting import Deletion
    from chalicelib.services.examining import Examining
    from chalicelib.services.explaining import Explaining
    from chalicelib.services.failing import Failing
    from chalicelib.services.fetching import Files
    from chalicelib.services.finishing import Finishing
    from chalicelib.services.indexing import Indexing
    from chalicelib.services.noticing import Notices
    from chalicelib.services.purging import Purge
    from chalicelib.services.rationing import Rationing
    from chalicelib.services.rebuilding import Embed, Rebuilding
    from chalicelib.services.recounting import Recounting
    from chalicelib.services.sweeping import Sweeping
    from chalicelib.services.syncing import Sync
    from chalicelib.services.totalling import Totals
    from chalicelib.services.uploading import Uploads
    from chalicelib.services.walking import Walk


class Services:
    """The application's services, wired to AWS as the configuration says.

    Args:
        client: makes a client of an AWS service as ``boto3.client`` does; the administration's knows its deployment.
    """

    def __init__(self, config: Config, client: Callable[..., Any] = boto3.client) -> None:
        self.config = config
        self.adapters = Adapters(config, client)

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Services:
        return cls(Config.read(environ))

    @cached_property
    def authentication(self) -> Authentication:
        return Authentication(self.adapters.accounts, _now)

    @cached_property
    def accounts(self) -> AccountService:
        from chalicelib.services.accounting import AccountService

        return AccountService(self.adapters.accounts, self.adapters.collections, self.adapters.allowances, _now)

    @cached_property
    def collections(self) -> CollectionService:
        from chalicelib.services.collecting import CollectionService

        bucket, region = self.config.managed_bucket, self.config.aws_region
        return CollectionService(
            self.adapters.collections, self.adapters.register, self.adapters.examiner, bucket, region, _now
        )

    @cached_property
    def deletion(self) -> Deletion:
        from chalicelib.services.deleting import Deletion

        grace = int(self.config.deletion_grace)
        return Deletion(
            self.adapters.register,
            self.adapters.catalogue,
            self.adapters.storage,
            self.adapters.allowances,
            self.adapters.vectors,
            self.adapters.queues,
            _now,
            grace,
        )

    @cached_property
    def search(self) -> Search:
        return Search(CachedEmbedder(self.adapters.embedder), self.adapters.vectors)

    @cached_property
    def sync(self) -> Sync:
        from chalicelib.services.syncing import Sync

        spread = int(self.config.schedule_spread)
        return Sync(self.adapters.collections, self.adapters.syncs, self.walks, self.adapters.queues, _now, spread)

    @cached_property
    def walks(self) -> Walk:
        from chalicelib.services.walking import Walk

        return Walk(
            self.adapters.collections,
            self.adapters.syncs,
            self.adapters.catalogue,
            self.adapters.sources,
            self.adapters.embedder,
            self.adapters.queues,
            self._rationing,
            _now,
        )

    @cached_property
    def explaining(self) -> Explaining:
        from chalicelib.services.explaining import Explaining

        return Explaining(self.adapters.catalogue, self.adapters.sources, self.adapters.embedder, self.adapters.vectors)

    @cached_property
    def failing(self) -> Failing:
        from chalicelib.services.failing import Failing

        return Failing(self.adapters.troubles, _now, int(self.config.retry_pause))

    @cached_property
    def purge(self) -> Purge:
        from chalicelib.services.purging import Purge

        return Purge(self.adapters.catalogue, self.adapters.storage, _now, int(self.config.tombstone_days))

    @cached_property
    def notices(self) -> Notices:
        from chalicelib.services.noticing import Notices

        return Notices(self.adapters.collections, self.adapters.queues, self.config.managed_bucket)

    @cached_property
    def indexing(self) -> Indexing:
        from chalicelib.services.embedding import Embedding
        from chalicelib.services.indexing import Indexing

        embedding = Embedding(self.adapters.catalogue, self.adapters.storage, self.adapters.embedder)
        return Indexing(
            self.adapters.collections,
            self.adapters.catalogue,
            self.adapters.sources,
            embedding,
            self.adapters.vectors,
            self._rationing,
            _now,
        )

    @cached_property
    def _rationing(self) -> Rationing:
        from chalicelib.services.rationing import Rationing

        return Rationing(self.adapters.accounts, self.adapters.allowances, _now)

    @cached_property
    def uploads(self) -> Uploads:
        from chalicelib.services.uploading import Uploads

        return Uploads(
            self.adapters.catalogue,
            self.adapters.allowances,
            self.adapters.storage,
            self.adapters.queues,
            self.finishing,
            _now,
        )

    @cached_property
    def finishing(self) -> Finishing:
        from chalicelib.services.finishing import Finishing

        return Finishing(
            self.adapters.catalogue,
            self.adapters.allowances,
            self.adapters.storage,
            self.adapters.embedder,
            self.indexing,
            self.adapters.queues,
            _now,
        )

    @cached_property
    def files(self) -> Files:
        from chalicelib.services.fetching import Files

        return Files(
            self.collections,
            self.adapters.catalogue,
            self.adapters.sources,
            self.adapters.storage,
            self.adapters.allowances,
            self.indexing,
            self.adapters.queues,
        )

    @cached_property
    def examining(self) -> Examining:
        from chalicelib.services.examining import Examining

        return Examining(self.adapters.catalogue, self.adapters.vectors)

    @cached_property
    def recounting(self) -> Recounting:
        from chalicelib.services.recounting import Recounting

        return Recounting(self.adapters.collections, self.adapters.catalogue, self.adapters.syncs, _now)

    @cached_property
    def sweeping(self) -> Sweeping:
        from chalicelib.services.sweeping import Sweeping

        return Sweeping(self.adapters.catalogue, self.adapters.storage, _now)

    @cached_property
    def totals(self) -> Totals:
        from chalicelib.services.totalling import Totals

        return Totals(self.adapters.collections, self.adapters.allowances, _now)

    @cached_property
    def adopting(self) -> Adopting:
        from chalicelib.services.adopting import Adopting

        return Adopting(self.every_collection, self.adapters.catalogue, self.adapters.vectors, _now)

    def rebuilding(self, say: Callable[[str], None], settle_seconds: float, embed: Embed | None = None) -> Rebuilding:
        from chalicelib.services.rebuilding import Rebuilding

        return Rebuilding(
            self.every_collection, self.adapters.catalogue, self.adapters.vectors, say, settle_seconds, embed=embed
        )

    def model(self) -> str:
        """The stamp of what the embedder makes now."""
        return self.adapters.embedder.model()

    def every_collection(self) -> Iterator[Collection]:
        """Of all accounts, for administration."""
        for account in self.accounts.all():
            yield from self.collections.all(account.uuid)


def _now() -> datetime:
    return datetime.now(UTC)
