"""Pictures as tiles of a grid or a strip: what a template shows of each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from chalicelib.api.links import FileLinks
from chalicelib.dashboard.search_address import PICKED, SearchAddress
from chalicelib.domain.file_queries import FoundFile
from chalicelib.domain.thumbnails import ThumbnailSize, size_of
from chalicelib.domain.vectors import Hit

# The height of a row of the grid, and of a strip, in static/styles.css: a browser chooses a thumbnail by the width that
# a picture will have before it has laid out the page. What a row has left, which is little, is shared by its pictures.
GRID_ROW, STRIP_ROW = "clamp(4.75rem, 1.75rem + 13vw, 14rem)", "clamp(6.5rem, 13vw, 11rem)"
PICKED_MAX = 100  # files of one selection: API Gateway takes addresses of 8 KB


@dataclass(frozen=True, slots=True)
class Tile:
    """Args:
    path: of its page.
    width: in pixels of the picture itself, as ``height``; 0 where they are not known.
    address: ``s3://…``.
    copies: the uuids of the other files of the same picture, which are folded into it.
    small: the URL of a thumbnail of ``ThumbnailSize.SMALL``; empty where the other one is no larger.
    """

    uuid: str
    name: str
    path: str
    thumbnail: str
    width: int
    height: int
    address: str
    copies: Sequence[str] = ()
    small: str = ""

    @property
    def sources(self) -> str:
        """Both thumbnails with their widths in pixels, as ``srcset`` has them; empty where there is one."""
        if not self.small:
            return ""
        sizes = ((self.small, ThumbnailSize.SMALL), (self.thumbnail, ThumbnailSize.MEDIUM))
        longest = max(self.width, self.height)
        return ", ".join(f"{url} {max(1, round(self.width * min(1, size / longest)))}w" for url, size in sizes)

    def grid_width(self, zoom: float = 1) -> str:
        """The width in a grid, as ``sizes`` has it; ``zoom`` is what the style sheet makes of its rows."""
        return f"calc({self.width / self.height * zoom:.2f} * {GRID_ROW})"

    @property
    def strip_width(self) -> str:
        return f"calc({self.width / self.height:.2f} * {STRIP_ROW})"

    @property
    def copies_path(self) -> str:
        """Where all files of the picture are listed."""
        return copies_path((self.uuid, *self.copies[: PICKED_MAX - 1]))


def copies_path(uuids: Iterable[str]) -> str:
    """The page that lists these files."""
    return f"/selection?{urlencode([(PICKED, uuid) for uuid in uuids])}"


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
        width, height = file.width or 0, file.height or 0
        query = "" if search is None else search.query(at=first + place)
        has_small = size_of(width, height, ThumbnailSize.SMALL) is ThumbnailSize.SMALL
        made.append(
            Tile(
                uuid=each.uuid,
                name=file.key.rpartition("/")[2],
                path=f"/pictures/{each.uuid}{query}",
                thumbnail=links.thumbnail(file.collection, each.uuid, file.md5),
                width=width,
                height=height,
                address=f"s3://{file.bucket}/{file.key}",
                copies=(copies or {}).get(each.uuid, ()),
                small=links.thumbnail(file.collection, each.uuid, file.md5, ThumbnailSize.SMALL) if has_small else "",
            )
        )
    return made
