"""Pictures of the Web in memory."""

from chalicelib.domain.web_pictures import PictureUrl, WebPicture, unreadable_url


class FakeWebPictures:
    """A test puts bytes into ``bodies``, by host and target; ``asked`` has the URLs that were fetched."""

    def __init__(self) -> None:
        self.bodies: dict[tuple[str, str], bytes] = {}
        self.asked: list[PictureUrl] = []

    def fetch(self, url: PictureUrl) -> WebPicture:
        self.asked.append(url)
        body = self.bodies.get((url.host, url.target))
        if body is None:
            raise unreadable_url("its server returned the status 404")
        return WebPicture(body, url)
