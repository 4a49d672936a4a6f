"""Thumbnails and downloads by the links in responses: without a token, for a while, and for one picture."""

import io
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from chalicelib.domain.collections import is_uuid
from chalicelib.domain.links import LINK_LIFETIME, LINK_PERIOD
from chalicelib.domain.messages import AccountDeletionStep
from chalicelib.domain.thumbnails import ThumbnailSize
from tests.fakes.api import FakeApi
from tests.fakes.application import FakeAdapters, services_on
from tests.isolation import WIDEST_SCOPE

PICTURE, OTHER_PICTURE = b"a picture", b"another picture"
ROUTES = {"thumbnail": "/media/{collection}/{file}", "download_url": "/collections/download/{uuid}"}
LINKS = pytest.mark.parametrize("name", sorted(ROUTES))


@dataclass
class Shop:
    """An account with a managed collection, and the file ``a.jpg`` there."""

    api: FakeApi
    token: str
    adapters: FakeAdapters
    collection: str

    def upload(self, body: bytes) -> None:
        route = "/api/collections/{uuid}/upload"
        status, answer = self.api(
            self.token, "POST", route, path={"uuid": self.collection}, picture=body, form={"replace": "true"}
        )
        assert status == 201, answer

    def file(self) -> dict[str, Any]:
        route = "/api/collections/{uuid}/files"
        (file,) = self.api(self.token, "GET", route, path={"uuid": self.collection})[1]["result"]["files"]
        return dict(file)

    def begin_period(self, name: str) -> None:
        """Let the time pass until the next link of this name has just begun: when that is depends on the path."""
        (expires,) = parse_qs(urlsplit(self.file()[name]).query)["expires"]
        clock = self.adapters.clock
        clock.pass_by(datetime.fromtimestamp(int(expires), UTC) - LINK_PERIOD - clock())

    def open(self, url: str, method: str = "GET", **headers: str) -> dict[str, Any]:
        """The response to a request of the URL, with no token unless the headers have one."""
        parts = urlsplit(url)
        segments = parts.path.removeprefix("/live").strip("/").split("/")
        if segments[0] == "media":
            route, own = ROUTES["thumbnail"], {"collection": segments[1], "file": segments[2]}
        else:
            route, own = ROUTES["download_url"], {"uuid": segments[2]}
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.api.send(
            method, route, path=own, query=parse_qs(parts.query, keep_blank_values=True), headers=names
        )


def new_shop(adapters: FakeAdapters, name: str) -> Shop:
    api = FakeApi(services_on(adapters))
    token = api.open_account(name)[WIDEST_SCOPE]
    body = {"type": "managed", "name": "n"}
    collection = api(token, "POST", "/api/collections", json=body)[1]["result"]["collection"]["uuid"]
    shop = Shop(api, token, adapters, collection)
    shop.upload(PICTURE)
    return shop


@pytest.fixture
def shop() -> Shop:
    return new_shop(FakeAdapters.fresh(), "a shop")


def error_of(response: dict[str, Any]) -> tuple[int, str]:
    return response["statusCode"], json.loads(response["body"])["info"]["error"]


@LINKS
def test_a_link_opens_its_picture_without_a_token(shop: Shop, name: str) -> None:
    assert shop.open(shop.file()[name])["statusCode"] == (200 if name == "thumbnail" else 302)


@LINKS
def test_the_log_names_the_account_whose_file_a_link_opens_and_not_the_link(
    shop: Shop, name: str, log: io.StringIO
) -> None:
    url = shop.file()[name]
    shop.open(url)
    shop.open(url.replace("signature=", "signature=x"))
    listed, opened, forged = map(json.loads, log.getvalue().splitlines()[-3:])
    assert (opened["account"], opened["status"]) == (listed["account"], 200 if name == "thumbnail" else 302)
    assert "token" not in opened
    assert "account" not in forged
    assert parse_qs(urlsplit(url).query)["signature"][0] not in log.getvalue()


@LINKS
def test_without_its_signature_a_link_needs_the_token(shop: Shop, name: str) -> None:
    bare = shop.file()[name].partition("?")[0]
    assert error_of(shop.open(bare))[0] == 403
    assert shop.open(bare, authorization=f"Token {shop.token}")["statusCode"] < 400


@LINKS
def test_identifiers_of_a_link_may_be_in_capital_letters(shop: Shop, name: str) -> None:
    path, _, query = shop.file()[name].partition("?")
    for uuid in filter(is_uuid, re.split("[/.]", path)):
        path = path.replace(uuid, uuid.upper())
    assert shop.open(f"{path}?{query}")["statusCode"] == (200 if name == "thumbnail" else 302)
    assert shop.open(path, authorization=f"Token {shop.token}")["statusCode"] < 400


@LINKS
def test_a_search_has_the_links_of_the_list(shop: Shop, name: str) -> None:
    (hit,) = shop.api(shop.token, "GET", "/api/search", query={"query": "a"})[1]["result"]["files"]
    assert hit[name] == shop.file()[name]


@LINKS
def test_a_link_stays_for_a_while_and_then_expires(shop: Shop, name: str) -> None:
    shop.begin_period(name)
    first = shop.file()[name]
    shop.adapters.clock.pass_by(timedelta(minutes=1))
    assert shop.file()[name] == first
    shop.adapters.clock.pass_by(LINK_LIFETIME)
    assert error_of(shop.open(first)) == (403, "link_expired")
    assert shop.open(shop.file()[name])["statusCode"] < 400


@LINKS
@pytest.mark.parametrize("change", ["signature=x", "signature=", "expires=99999999999"])
def test_a_forged_link_is_not_found(shop: Shop, name: str, change: str) -> None:
    url, _, query = shop.file()[name].partition("?")
    parameter = change.partition("=")[0]
    kept = [pair for pair in query.split("&") if not pair.startswith(f"{parameter}=")]
    assert error_of(shop.open("&".join([f"{url}?{change}", *kept]))) == (404, "not_found")


@LINKS
def test_a_link_without_its_expiry_is_refused(shop: Shop, name: str) -> None:
    url, _, query = shop.file()[name].partition("?")
    response = shop.open(f"{url}?{query.partition('&')[2]}")
    assert (response["statusCode"], json.loads(response["body"])["info"]["field"]) == (400, "expires")


@LINKS
def test_the_signature_of_one_link_opens_nothing_else(shop: Shop, name: str) -> None:
    other = new_shop(shop.adapters, "another shop")
    signature = shop.file()[name].partition("?")[2]
    for url in (other.file()[name], *(shop.file()[other_name] for other_name in ROUTES if other_name != name)):
        assert error_of(shop.open(f"{url.partition('?')[0]}?{signature}"))[0] in (403, 404)


@LINKS
def test_a_replaced_picture_has_another_link_and_the_old_one_opens_nothing(shop: Shop, name: str) -> None:
    first = shop.file()[name]
    shop.upload(OTHER_PICTURE)
    assert shop.file()[name] != first
    assert shop.open(first)["statusCode"] == 404
    assert shop.open(shop.file()[name])["statusCode"] < 400


@LINKS
def test_the_link_of_a_deleted_file_opens_nothing(shop: Shop, name: str) -> None:
    file = shop.file()
    shop.api(shop.token, "DELETE", "/api/files/{uuid}", path={"uuid": file["uuid"]})
    assert shop.open(file[name])["statusCode"] == 404


@LINKS
@pytest.mark.parametrize("whole", ["collection", "account"])
def test_the_links_of_a_deleted_collection_or_account_open_nothing(shop: Shop, name: str, whole: str) -> None:
    url = shop.file()[name]
    if whole == "collection":
        status, _ = shop.api(shop.token, "DELETE", "/api/collections/{uuid}", path={"uuid": shop.collection})
    else:
        account = shop.api(shop.token, "GET", "/api/account")[1]["result"]["account"]["uuid"]
        status, _ = shop.api(shop.token, "DELETE", "/api/account", query={"confirm": account.upper()})
        services_on(shop.adapters).account_deletion.run(AccountDeletionStep(account), lambda: 60.0)
    assert status == 202
    assert error_of(shop.open(url)) == (404, "not_found")


def test_every_cache_may_keep_a_linked_thumbnail_until_its_link_expires(shop: Shop) -> None:
    url = shop.file()["thumbnail"]
    seconds = int(parse_qs(urlsplit(url).query)["expires"][0]) - int(shop.adapters.clock().timestamp())
    assert shop.open(url)["headers"]["Cache-Control"] == f"public, max-age={seconds}, immutable"


def test_only_the_callers_own_cache_may_keep_a_thumbnail_that_a_token_opens(shop: Shop) -> None:
    bare = shop.file()["thumbnail"].partition("?")[0]
    headers = shop.open(bare, authorization=f"Token {shop.token}")["headers"]
    assert (headers["Cache-Control"], headers["Vary"]) == ("private, max-age=300", "Authorization, Origin")


def test_a_thumbnail_that_has_not_changed_is_not_sent_again(shop: Shop) -> None:
    url = shop.file()["thumbnail"].partition("?")[0]
    token = f"Token {shop.token}"
    etag = shop.open(url, authorization=token)["headers"]["ETag"]
    unchanged = shop.open(url, authorization=token, if_none_match=f'"x", W/{etag}')
    assert (unchanged["statusCode"], unchanged["body"], unchanged["headers"]["ETag"]) == (304, "", etag)
    shop.upload(OTHER_PICTURE)
    assert shop.open(url, authorization=token, if_none_match=etag)["statusCode"] == 200


def test_a_client_that_accepts_only_json_gets_the_url_of_the_original(shop: Shop) -> None:
    url = shop.file()["download_url"]
    response = shop.open(url, accept="application/json")
    download = json.loads(response["body"])["result"]["download"]
    assert shop.adapters.sources.fetch(download["url"]) == PICTURE
    for accept in ("Application/JSON", "application/json; charset=utf-8", "application/json;q=0.9, application/json"):
        assert shop.open(url, accept=accept)["statusCode"] == 200
    for accept in (
        "application/json, */*",
        "application/json;q=0.9, image/*",
        "text/json",
        "application/jsonp",
        "",
        ",",
    ):
        assert shop.open(url, accept=accept)["headers"]["Location"] == download["url"]


def test_a_picture_is_shown_instead_of_saved_if_asked(shop: Shop) -> None:
    url = shop.file()["download_url"]
    assert "show-as" not in shop.open(url)["headers"]["Location"]
    assert "show-as=image%2Fjpeg" in shop.open(f"{url}&inline=1")["headers"]["Location"]
    assert error_of(shop.open(f"{url}&inline=true"))[0] == 400


def test_head_of_a_thumbnail_has_no_body(shop: Shop) -> None:
    response = shop.open(shop.file()["thumbnail"], method="HEAD")
    assert (response["statusCode"], response["body"]) == (200, "")


class TestSizes:
    def test_one_link_opens_every_size(self, shop: Shop) -> None:
        url = shop.file()["thumbnail"]
        tags = set()
        for size in ThumbnailSize:
            response = shop.open(f"{url}&size={size.value}")
            assert (response["statusCode"], response["headers"]["Content-Type"]) == (200, "image/jpeg")
            assert response["headers"]["Thumbnail-Size"] == str(size.value)
            assert "immutable" in response["headers"]["Cache-Control"]
            tags.add(response["headers"]["ETag"])
        assert len(tags) == len(ThumbnailSize)
        assert shop.open(url)["headers"]["ETag"] == shop.open(f"{url}&size=512")["headers"]["ETag"]

    def test_a_size_that_has_not_changed_is_not_sent_again(self, shop: Shop) -> None:
        url = f"{shop.file()['thumbnail']}&size=1024"
        etag = shop.open(url)["headers"]["ETag"]
        assert shop.open(url, if_none_match=etag)["statusCode"] == 304
        assert shop.open(shop.file()["thumbnail"], if_none_match=etag)["statusCode"] == 200

    def test_a_size_that_stands_in_for_another_says_so_and_is_not_kept(self, shop: Shop) -> None:
        shop.adapters.embedder.down = True
        headers = shop.open(f"{shop.file()['thumbnail']}&size=1024")["headers"]
        assert (headers["Thumbnail-Size"], headers["Cache-Control"]) == ("512", "private, max-age=60")

    @pytest.mark.parametrize("size", ["", "0", "300", "512.0", "1024px", "2048", "٢٥٦"])
    def test_a_size_that_there_is_not_is_refused(self, shop: Shop, size: str) -> None:
        assert error_of(shop.open(f"{shop.file()['thumbnail']}&size={size}")) == (400, "invalid_request")
