"""The pages of the search: each state, what htmx swaps, and names that would like to be more than names."""

import json
from dataclasses import replace
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.dashboard.found_pictures import PAGE_SIZE
from chalicelib.dashboard.search import NEAREST
from chalicelib.dashboard.suggestions import suggested_texts
from chalicelib.dashboard.texts import text
from chalicelib.domain.errors import StoreUnavailable
from chalicelib.domain.origins import origin_of
from chalicelib.domain.vectors import vector_document
from tests.factories import a_calibration, a_record, an_embedding
from tests.fakes.embedder import vector
from tests.unit.dashboard.picture_world import HTMX, PictureWorld, every_tag, links, tags, words

NAMES = [f"2024/kenya/red-owl-{number}.jpg" for number in range(PAGE_SIZE + 10)]
NOBODYS = "0b0e9a4e-6a67-4f7a-9d3d-1f2a3b4c5d6e"


@pytest.fixture(scope="module")
def crowd() -> PictureWorld:
    """A page and ten pictures; what is expected by chance is not known."""
    world = PictureWorld()
    world.put(*NAMES)
    return world


def calibrated(*, strict: bool) -> PictureWorld:
    """Statistics under which nothing, or only a picture itself, comes before chance; they are kept for minutes."""
    world, eighth = PictureWorld(), 1 / 8
    spread = replace(a_calibration().text, spread=100.0 if strict else 1.0)
    world.ports.embedder.calibration = replace(
        a_calibration(),
        mean=(0.0,) * 8,
        axes=((eighth**0.5, *(0.0,) * 7),),
        residual=100.0 if strict else eighth,
        text=spread,
        picture=spread,
    )
    world.put(*NAMES)
    return world


def test_a_search_shows_its_pictures_with_their_shapes_and_room_for_each(crowd: PictureWorld) -> None:
    page = crowd.get("/?query=an+owl").body
    pictures = [each for each in tags(page, "img") if each.get("width") == "640"]
    assert len(pictures) == PAGE_SIZE
    assert all(each["height"] == "480" for each in pictures)
    assert [each.get("loading") for each in pictures].index("lazy") == 8
    assert [each.get("fetchpriority") for each in pictures].count("high") == 1
    assert page.count('class="tile r133"') == PAGE_SIZE
    assert f"{PAGE_SIZE} pictures, and more" in words(page)
    assert "<title>an owl · Similarix</title>" in page


def test_the_pages_of_a_search_without_a_script_have_each_picture_once(crowd: PictureWorld) -> None:
    first = crowd.get("/?query=an+owl").body
    (further,) = links(first, "/?query=an+owl&cursor=")
    second = crowd.get(further).body
    found = links(first, "/pictures/") + links(second, "/pictures/")
    assert len({link.partition("?")[0] for link in found}) == len(found) == len(NAMES)
    assert f"Pictures {PAGE_SIZE + 1} to {len(NAMES)}" in words(second)
    assert [link.rpartition("at=")[2] for link in found] == [str(place) for place in range(1, len(NAMES) + 1)]


def test_the_next_page_is_appended_to_the_grid_and_replaces_the_way_to_it(crowd: PictureWorld) -> None:
    (further,) = links(crowd.get("/?query=an+owl").body, "/?query=an+owl&cursor=")
    part = crowd.get(further, fragment=True).body
    assert '<ul hx-swap-oob="beforeend:#grid">' in part
    assert len(links(part, "/pictures/")) == 10
    assert links(part, "/?query=an+owl&cursor=") == []
    assert 'id="next"' in part
    assert f"{len(NAMES)} pictures" in words(part)
    assert '<p id="found-said" hx-swap-oob="innerHTML">10 more pictures</p>' in part
    assert 'id="search"' not in part, "the form stays as it is, with what has been typed"


def test_a_search_by_htmx_is_the_results_and_the_form_and_its_address(crowd: PictureWorld) -> None:
    answer = crowd.get("/?form=1&query=an+owl&words=at+night+-people&cutoff=on&fold=on&orientation=", fragment=True)
    assert answer.headers["hx-push-url"] == "/live/?query=an+owl&query=at+night&without=people"
    assert answer.body.strip().startswith('<section id="results"')
    assert 'id="search"' in answer.body
    assert 'hx-swap-oob="true"' in answer.body
    assert "<html" not in answer.body
    said = answer.body.partition('<p id="found-said" hx-swap-oob="innerHTML">')[2].partition("</p>")[0]
    assert "pictures" in said
    whole = crowd.get("/?query=an+owl").body
    assert '<p class="unseen" role="status" id="found-said"></p>' in whole.partition("</section>")[2], (
        "it outlasts a swap"
    )


def test_a_form_without_a_script_leads_to_the_address_of_its_search(crowd: PictureWorld) -> None:
    answer = crowd.get("/?form=1&words=an+owl+-people&cutoff=on&date=taken&from=2024-01-01&until=&format=jpeg")
    assert (answer.status, answer.location) == (
        303,
        "/?query=an+owl&without=people&format=jpeg&taken.gte=2024-01-01&fold=off",
    )


def test_words_by_themselves_are_answered_at_once_with_the_address_of_their_search(crowd: PictureWorld) -> None:
    answer = crowd.get("/?words=an+owl+-people")
    assert answer.status == 200
    (results,) = [each for each in tags(answer.body, "section") if each.get("id") == "results"]
    assert results["data-here"] == "/live/?query=an+owl&without=people"
    assert len(links(answer.body, "/pictures/")) == PAGE_SIZE


def test_each_term_is_a_chip_that_can_be_turned_weighed_and_taken_away(crowd: PictureWorld) -> None:
    uuid = crowd.app.file_finder.newest(crowd.caller.account, 1)[0].uuid
    page = crowd.get(f"/?query=an+owl&like={uuid}&without=people&weight1=2").body
    hidden = {(each["name"], each["value"]) for each in tags(page, "input") if each.get("type") == "hidden"}
    assert {("query", "an owl"), ("like", uuid), ("without", "people")} <= hidden
    checked = {
        (each["name"], each["value"]) for each in tags(page, "input") if "checked" in each and each["type"] == "radio"
    }
    assert {("sign1", "in"), ("sign3", "out"), ("weight1", "2"), ("weight2", "1")} <= checked
    dropped = [each["href"] for each in tags(page, "a") if each.get("class") == "drop-term"]
    assert dropped == [
        f"/live/?like={uuid}&without=people",
        "/live/?query=an+owl&without=people&weight1=2",
        f"/live/?query=an+owl&like={uuid}&weight1=2",
    ]


def test_a_filter_shows_its_value_and_what_the_panel_has_no_field_for_is_kept(crowd: PictureWorld) -> None:
    query = "?query=owl&path=2024/*&format=jpeg&format=png&size.gte=1000000&metadata.tag=x&height.lte=9000"
    page = crowd.get(f"/{query}").body
    shown = words(page)
    assert "Folder: 2024/*" in shown
    assert "Format: 2 chosen" in shown
    hidden = {(each["name"], each["value"]) for each in tags(page, "input") if each.get("type") == "hidden"}
    assert {("metadata.tag", "x"), ("height.lte", "9000")} <= hidden
    assert [each["value"] for each in tags(page, "option") if "selected" in each] == ["", "1000000"]
    assert links(page, "/?query=owl&path=2024%2F%2A&format=jpeg&format=png&size.gte=1000000&height.lte=9000")


@pytest.mark.parametrize(
    ("query", "label"),
    [
        ("size.gte=900000000", "Size: 900 MB"),
        ("size.gte=1000000", "Size: 1 MB"),
        ("width.gte=12000", "Size: 12,000 pixels"),
        ("size.gte=1e9", "Size: 1e9"),
    ],
)
def test_a_measure_of_an_address_is_shown_as_people_write_it(crowd: PictureWorld, query: str, label: str) -> None:
    assert label in words(crowd.get(f"/?query=owl&{query}").body)


def test_filters_without_a_term_list_what_they_admit(crowd: PictureWorld) -> None:
    page = crowd.get("/?path=2024/*").body
    assert len(links(page, "/pictures/")) == PAGE_SIZE
    (further,) = links(page, "/?path=2024%2F%2A&cursor=")
    assert len(links(crowd.get(further).body, "/pictures/")) == 10


def test_without_results_the_page_says_which_filter_to_drop_and_what_that_would_bring(crowd: PictureWorld) -> None:
    page = crowd.get("/?query=owl&format=png&path=2024/*").body
    assert "No pictures" in words(page)
    assert f"Remove “PNG” more than {PAGE_SIZE} found" in words(page)
    assert links(page, "/?query=owl&path=2024%2F%2A")
    assert "Remove “2024/*”" not in words(page), "that would bring nothing either"


def test_where_only_chance_finds_anything_the_page_says_so_and_shows_it_all_the_same() -> None:
    world = calibrated(strict=True)
    page = world.get("/?query=an+owl").body
    assert text("search.nothing") in words(page)
    nearest = links(page, "/pictures/")
    assert len(nearest) == NEAREST
    assert all("&cutoff=off&at=" in link for link in nearest)
    (anyway,) = links(page, "/?query=an+owl&cutoff=off")
    shown = world.get(anyway).body
    assert len(links(shown, "/pictures/")) == PAGE_SIZE
    assert text("search.chance") in words(shown)
    assert "past-chance" in shown


def test_what_is_left_out_is_put_behind_a_divider_when_it_is_asked_for() -> None:
    world = calibrated(strict=False)
    uuid = _uploaded(world, NAMES[3].encode())
    page = world.get(f"/?upload={uuid}").body
    assert len(links(page, "/pictures/")) == 1
    (past,) = [each["hx-get"] for each in tags(page, "a") if "part=past" in (each.get("hx-get") or "")]
    assert past is not None
    part = world.get(past.removeprefix("/live"), fragment=True).body
    assert 'id="grid-past"' in part
    assert text("search.chance") in words(part)
    assert len(links(part, "/pictures/")) == PAGE_SIZE
    switch = next(each for each in tags(part, "input") if each.get("name") == "cutoff")
    assert "checked" not in switch, "the switch says what is shown"
    (further,) = [each["hx-get"] for each in tags(part, "a") if "cursor=" in (each.get("hx-get") or "")]
    assert further is not None
    rest = world.get(further.removeprefix("/live"), fragment=True).body
    assert '<ul hx-swap-oob="beforeend:#grid-past">' in rest
    assert len(links(rest, "/pictures/")) == len(NAMES) - 1 - PAGE_SIZE


def test_a_search_that_fails_keeps_its_terms_and_filters(crowd: PictureWorld) -> None:
    crowd.ports.embedder.down = True
    try:
        for fragment in (False, True):
            answer = crowd.get("/?query=never+asked&format=png&cutoff=off", fragment=fragment)
            assert answer.status == 503
            assert 'role="alert"' in answer.body
            assert text("search.failed") in words(answer.body)
            assert 'value="never asked"' in answer.body
    finally:
        crowd.ports.embedder.down = False


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("without=people", 400),
        (f"query={'x' * 1001}", 400),
        ("query=a&format=nonsense", 400),
        ("query=a&cursor=nonsense", 400),
        (f"like={NOBODYS}", 404),
        (f"query=a&collection={NOBODYS}", 404),
        (f"upload={NOBODYS}", 404),
    ],
)
def test_a_search_that_cannot_be_made_says_why_beside_its_form(crowd: PictureWorld, query: str, status: int) -> None:
    answer = crowd.get(f"/?{query}")
    assert answer.status == status
    assert 'id="search"' in answer.body
    assert 'role="alert"' in answer.body


def test_the_empty_page_has_suggestions_and_the_pictures_that_were_added_last(crowd: PictureWorld) -> None:
    page = crowd.get("/").body
    assert len(links(page, "/pictures/")) == 10
    assert f"{len(NAMES)} pictures in 1 collections" not in words(page)
    assert links(page, "/?query=a+beach+at+dusk&cutoff=off")
    emptied = crowd.browser.get("/", {**HTMX, "hx-target": "results"})
    assert emptied.headers["hx-redirect"] == "/live/"


def test_suggestions_are_the_names_that_say_something() -> None:
    keys = ["a/red-panda.jpg", "DSC_0001.jpg", "screenshot final.png", "x.jpg", "Golden Gate_bridge.heic", "ab12.jpg"]
    assert suggested_texts(keys)[:2] == ["red panda", "golden gate bridge"]
    assert len(suggested_texts(keys)) == len(suggested_texts([])) == 4


def test_a_picture_to_search_by_goes_to_the_storage_and_its_origin_is_allowed(crowd: PictureWorld) -> None:
    sent = {"size": "12", "mime_type": "image/jpeg"}
    answer = crowd.browser.post("/search-pictures", sent)
    assert answer.status == 201
    policy = crowd.get("/").headers["content-security-policy"]
    assert f"connect-src 'self' {origin_of(json.loads(answer.body)['url'])};" in policy
    for wrong, status in (({"size": "x"}, 400), ({"mime_type": "text/html"}, 415), ({"size": "99999999999"}, 413)):
        assert crowd.browser.post("/search-pictures", {**sent, **wrong}).status == status


def test_copies_of_a_picture_are_one_tile_that_leads_to_all_of_them() -> None:
    world = PictureWorld()
    copies = [world.app.uploads.upload(world.caller, world.collection, f"{n}.jpg", b"one picture").uuid for n in "abc"]
    world.put("other.jpg")
    page = world.get("/?query=an+owl&cutoff=off").body
    assert len([each for each in tags(page, "li") if (each.get("class") or "").startswith("tile ")]) == 2
    (fold,) = links(page, "/selection?")
    assert all(uuid in fold for uuid in copies)
    assert "3.jpg" not in words(world.get(fold).body)
    assert all(f"{name}.jpg" in world.get(fold).body for name in "abc")
    apart = world.get("/?query=an+owl&cutoff=off&fold=off").body
    assert len([each for each in tags(apart, "li") if (each.get("class") or "").startswith("tile ")]) == 4


hostile = st.one_of(
    st.sampled_from(
        ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "\u202egpj.exe", "x" * 200, "&lt;"]
    ),
    st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="/"), min_size=1, max_size=60),
)


@settings(max_examples=25, deadline=None)
@given(hostile, hostile)
def test_no_name_or_text_becomes_markup(name: str, query: str) -> None:
    world = PictureWorld(collection=name if name.strip() else "n")
    key = f"{world.collection.prefix}{name}.jpg"
    uuid = _indexed(world, key, {"note": name})
    for path in (
        "/",
        f"/?{urlencode({'query': query, 'path': name})}",
        f"/?{urlencode({'query': query, 'without': name, 'cutoff': 'off'})}",
        f"/pictures/{uuid}?{urlencode({'query': query})}",
        f"/selection?picked={uuid}&delete=1&query={quote(query)}",
        f"/?like={uuid}&metadata.note={quote(name)}",
    ):
        page = world.get(path).body
        every = {tag for tag in ("script", "img", "iframe", "object", "base") for _ in tags(page, tag)}
        assert every <= {"script", "img"}
        assert all("src" in each for each in tags(page, "script"))
        assert not [key for each in every_tag(page) for key in each if key.startswith("on")]
        assert "<script>" not in page


def _indexed(world: PictureWorld, key: str, metadata: dict[str, str]) -> str:
    """A picture of this key in the catalogue and the vector store, as if it had come from a bucket."""
    embedding = an_embedding(vector=vector(key.encode()))
    record = a_record(world.collection, key, embedding=embedding, metadata=metadata, thumbnail="t")
    world.ports.catalogue.save(record, None)
    world.ports.vectors.upsert([vector_document(record, embedding, world.collection)])
    world.ports.collections.stored[world.collection.uuid] = replace(
        world.app.collections.get(world.caller.account, world.collection.uuid), total_files=1
    )
    return record.uuid


def _uploaded(world: PictureWorld, picture: bytes) -> str:
    sent = {"size": str(len(picture)), "mime_type": "image/jpeg"}
    prepared = json.loads(world.browser.post("/search-pictures", sent).body)
    world.ports.sources.bucket("managed").put(prepared["fields"]["key"], picture)
    return str(prepared["id"])


def test_a_failing_store_is_a_banner_too(crowd: PictureWorld) -> None:
    def refuse(_: object) -> None:
        raise StoreUnavailable("The search does not answer.")

    original = crowd.ports.vectors.search
    crowd.ports.vectors.search = refuse
    try:
        assert "The search does not answer." in crowd.get("/?query=owl").body
    finally:
        crowd.ports.vectors.search = original
