"""Several pictures that were selected in the results, or are copies of one: to download, to name, and to delete."""

from dataclasses import dataclass

from chalicelib.dashboard.collections import countdown
from chalicelib.dashboard.dispatch import PageDispatcher
from chalicelib.dashboard.pages import Page, PageRequest, Redirect
from chalicelib.dashboard.search import query_values
from chalicelib.dashboard.search_address import PICKED, read_address
from chalicelib.dashboard.texts import text
from chalicelib.dashboard.tiles import PICKED_MAX
from chalicelib.domain.collections import CollectionType, parse_uuid
from chalicelib.domain.errors import InvalidRequest, NotFound
from chalicelib.domain.file_deletions import DeletionOutcome, DeletionReport
from chalicelib.domain.thumbnails import ThumbnailSize

DELETION_SECONDS = 15  # of the 29 that API Gateway waits; workers delete the rest


@dataclass(frozen=True, slots=True)
class PickedPicture:
    """``is_managed``: it lies in managed storage, so it can be deleted here."""

    uuid: str
    name: str
    collection: str
    width: int
    height: int
    size: int
    thumbnail: str
    download: str
    address: str
    is_managed: bool


def add_pages(dispatcher: PageDispatcher) -> None:
    page = dispatcher.page

    @page("/selection")
    def show_selection(request: PageRequest) -> Page:
        picked = _picked(request, request.query.all(PICKED))
        values = query_values(request)
        back = read_address({name: given for name, given in values.items() if name != PICKED})
        deletable = [picture.uuid for picture in picked if picture.is_managed]
        data = {
            "picked": picked,
            "deletable": deletable,
            "back": back if back.terms or back.narrows else None,
            "asks_deletion": bool(deletable) and "delete" in request.query,
            "addresses": "\n".join(picture.address for picture in picked),
        }
        return Page("selection.html", data)

    @page("/selection/delete", methods=("POST",))
    def delete_selection(request: PageRequest) -> Redirect:
        uuids, left = _uuids(request.form.all(PICKED)), countdown(DELETION_SECONDS)
        report = request.services.file_deletion.delete_named(request.account.uuid, uuids, left, dry_run=False)
        back = read_address({name: request.form.all(name) for name, _ in request.form.pairs if name != PICKED})
        return Redirect(f"/{back.query()}", toast=_outcome(report))


def _outcome(report: DeletionReport) -> str:
    """The key of the text that says what became of the pictures."""
    outcomes = {file.outcome for file in report.files}
    if DeletionOutcome.REFUSED in outcomes:
        return "pictures.deleted_but_refused"
    if DeletionOutcome.PENDING in outcomes:
        return "pictures.deletion_pending"
    return "pictures.deleted" if report.count == 1 else "pictures.deleted_all"


def _uuids(values: list[str]) -> list[str]:
    """The identifiers, each once; raises InvalidRequest for too many."""
    uuids = list(dict.fromkeys(values))
    if len(uuids) > PICKED_MAX:
        raise InvalidRequest(text("pictures.too_many", count=PICKED_MAX), field=PICKED)
    return uuids


def _picked(request: PageRequest, values: list[str]) -> list[PickedPicture]:
    """The account's pictures among those that were selected; what is gone meanwhile is left out."""
    services, account, links = request.services, request.account.uuid, request.links
    collections = {collection.uuid: collection for collection in services.collections.all(account)}
    found = []
    for uuid in _uuids(values):
        try:
            record = services.files.get_indexed(account, parse_uuid(uuid))
        except NotFound:
            continue
        collection = collections.get(record.collection)
        if collection is None or record.embedding is None:
            continue
        found.append(
            PickedPicture(
                uuid=record.uuid,
                name=record.key.rpartition("/")[2],
                collection=collection.name,
                width=record.embedding.width,
                height=record.embedding.height,
                size=record.size,
                thumbnail=links.thumbnail(collection.uuid, record.uuid, record.embedding.md5, ThumbnailSize.SMALL),
                download=links.download(record.uuid, record.embedding.md5),
                address=f"s3://{collection.bucket}/{record.key}",
                is_managed=collection.type is CollectionType.MANAGED,
            )
        )
    return found
