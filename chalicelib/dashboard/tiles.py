"""Pictures as tiles of a grid or a strip: what a template shows of each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from chalicelib.api.links import FileLinks
from chalicelib.dashboard.search_address import PICKED, SearchAddress
from chalicelib.domain.file_queries import FoundFile
from chalicelib.domain.vectors import Hit

PICKED_MAX = 100  # files of one selection: API Gateway takes addresses of 8 KB


@dataclass(frozen=True, slots=True)
class Tile:
    """Args:
    path: of its page.
    width: in pixels of the picture itself, as ``height``; 0 where they are not known.
    address: ``s3://…``.
    copies: the uuids of the other files of the same picture, which are folded into it.
    """

    uuid: str
    name: str
    path: str
    thumbnail: str
    width: int
    height: int
    address: str
    copies: Sequence[str] = ()

    @property
    def copies_path(self) -> str:
        """Where all files of the picture are listed."""
        shown = (self.uuid, *self.copies[: PICKED_MAX - 1])
        return f"/selection?{urlencode([(PICKED, uuid) for uuid in shown])}"


def tiles(
    found: Iterable[Hit | FoundFile],
    links: FileLinks,
    search: SearchAddress | None = None,
    first: int = 1,
    copies: Mapping[str, Sequence[str]] | None = None,
) -> list[Tile]:
    """The tiles of found files; their pages lead back to the ``search``, in which the first one has this place."""
    made = []
    for place, each in enumerate(found):
        file = each.file
        query = "" if search is None else search.query(at=first + place)
        made.append(
            Tile(
                uuid=each.uuid,
                name=file.key.rpartition("/")[2],
                path=f"/pictures/{each.uuid}{query}",
                thumbnail=links.thumbnail(file.collection, each.uuid, file.md5),
                width=file.width or 0,
                height=file.height or 0,
                address=f"s3://{file.bucket}/{file.key}",
                copies=(copies or {}).get(each.uuid, ()),
            )
        )
    return made
