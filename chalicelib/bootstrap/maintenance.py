"""The highest floor of the composition root: maintenance, which administration and a worker run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.bootstrap.requests import RequestServices

if TYPE_CHECKING:
    from chalicelib.domain.collections import Collection
    from chalicelib.services.maintenance.calibration import CalibrationService
    from chalicelib.services.maintenance.consistency_check import ConsistencyCheck
    from chalicelib.services.maintenance.model_switch import ModelSwitch
    from chalicelib.services.maintenance.orphaned_images import OrphanedImages
    from chalicelib.services.maintenance.orphaned_thumbnails import OrphanedThumbnails
    from chalicelib.services.maintenance.rebuild import EmbedRecords, RebuildService
    from chalicelib.services.maintenance.reconciliation import Reconciliation
    from chalicelib.services.maintenance.statistics_audit import StatisticsAudit


class MaintenanceServices(RequestServices):
    """What keeps data right, beside requests and the pipeline."""

    @cached_property
    def consistency_check(self) -> ConsistencyCheck:
        from chalicelib.services.maintenance.consistency_check import ConsistencyCheck

        return ConsistencyCheck(self.adapters.catalogue, self.adapters.vectors)

    @cached_property
    def statistics_audit(self) -> StatisticsAudit:
        from chalicelib.services.maintenance.statistics_audit import StatisticsAudit

        a = self.adapters
        return StatisticsAudit(a.collections, a.catalogue, a.syncs, a.quota_ledger, self.now)

    @cached_property
    def reconciliation(self) -> Reconciliation:
        from chalicelib.services.maintenance.reconciliation import Reconciliation

        return Reconciliation(self.sync_worker, self.adapters.queues)

    @cached_property
    def calibration(self) -> CalibrationService:
        from chalicelib.services.maintenance.calibration import CalibrationService

        a = self.adapters
        return CalibrationService(a.accounts, a.collections, a.catalogue, a.embedder, a.calibrations, self.now)

    @cached_property
    def orphaned_images(self) -> OrphanedImages:
        from chalicelib.services.maintenance.orphaned_images import OrphanedImages

        return OrphanedImages(self.adapters.image_inventory, self.now)

    @cached_property
    def orphaned_thumbnails(self) -> OrphanedThumbnails:
        from chalicelib.services.maintenance.orphaned_thumbnails import OrphanedThumbnails

        return OrphanedThumbnails(self.adapters.catalogue, self.adapters.storage, self.now)

    @cached_property
    def model_switch(self) -> ModelSwitch:
        from chalicelib.services.maintenance.model_switch import ModelSwitch

        return ModelSwitch(self.every_collection, self.adapters.catalogue, self.adapters.vectors, self.now)

    def rebuild(
        self, report: Callable[[str], None], writer_timeout_seconds: float, embed: EmbedRecords | None = None
    ) -> RebuildService:
        from chalicelib.services.maintenance.rebuild import RebuildService

        return RebuildService(
            collections=self.every_collection,
            catalogue=self.adapters.catalogue,
            store=self.adapters.vectors,
            report=report,
            writer_timeout_seconds=writer_timeout_seconds,
            sleep=self.wait,
            embed=embed,
        )

    def every_collection(self) -> Iterator[Collection]:
        """The collections of all accounts, for administration."""
        for account in self.accounts.all():
            yield from self.collections.all(account.uuid)
