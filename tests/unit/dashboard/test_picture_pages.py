"""The page of one picture, and of several that are selected."""

from datetime import timedelta
from urllib.parse import quote

import pytest

from chalicelib.dashboard.texts import text
from chalicelib.dashboard.tiles import PICKED_MAX
from chalicelib.domain.accounts import Subscription
from chalicelib.domain.uploads import UploadRef
from tests.factories import a_calibration, a_collection, a_record
from tests.unit.dashboard.picture_world import PictureWorld, links, tags, words

NAMES = [f"2024/kenya/{number}.jpg" for number in range(6)]
NOBODYS = "0b0e9a4e-6a67-4f7a-9d3d-1f2a3b4c5d6e"


@pytest.fixture
def world() -> PictureWorld:
    world = PictureWorld()
    world.put(*NAMES)
    return world


def found(world: PictureWorld, query: str) -> list[str]:
    """The addresses of the pictures of a search, in their order."""
    return links(world.get(f"/?{query}").body, "/pictures/")


def test_a_picture_shows_its_facts_and_where_it_is(world: PictureWorld) -> None:
    (uuid,) = world.put("2024/kenya/giraffes.jpg")
    page = world.get(f"/pictures/{uuid}").body
    shown = words(page)
    assert "640 × 480" in shown
    assert f"s3://managed/{world.collection.prefix}2024/kenya/giraffes.jpg" in shown
    (large,) = [each for each in tags(page, "img") if each.get("fetchpriority") == "high"]
    assert (large["src"] or "").endswith("&size=1024")
    assert links(page, f"/?collection={world.collection.uuid}&path=2024%2Fkenya%2F%2A")
    assert links(page, f"/collections/{world.collection.uuid}")
    assert [each for each in tags(page, "a") if "download" in each]
    assert text("pictures.why") not in shown, "without a search there is no why"
    assert "data-less" not in page
    assert links(page, f"/?like={uuid}")


def test_from_the_results_one_goes_to_the_previous_and_the_next_picture_and_back(world: PictureWorld) -> None:
    every = found(world, "query=an+owl&cutoff=off")
    page = world.get(every[2]).body
    rel = {each["rel"]: (each["href"] or "").removeprefix("/live") for each in tags(page, "a") if "rel" in each}
    assert rel == {"prev": every[1], "next": every[3]}
    assert "3 of 6" in words(page)
    assert links(page, "/?query=an+owl&cutoff=off")
    assert 'rel="prev"' not in world.get(every[0]).body
    assert 'rel="next"' not in world.get(every[-1]).body


def test_a_picture_says_why_it_was_found(world: PictureWorld) -> None:
    world.ports.embedder.calibration = a_calibration()
    first, other = found(world, "query=an+owl&cutoff=off")[0], world.put("other.jpg")[0]
    page = world.get(f"{first}&like={other}&without=people").body
    assert len(tags(page, "meter")) == 3
    assert "like other.jpg" in words(page)
    assert "not people" in words(page)
    closeness = {text(f"pictures.{word}") for word in ("very_close", "close", "near", "far")}
    assert any(word in words(page) for word in closeness)
    assert "pictures this close" in words(page)


def test_a_picture_is_shown_although_its_search_no_longer_works(world: PictureWorld) -> None:
    first = found(world, "query=an+owl&cutoff=off")[0]
    world.ports.embedder.down = True
    page = world.get(first.replace("an+owl", "never+asked"))
    assert page.status == 200
    assert text("pictures.facts") in words(page.body)
    assert text("pictures.why") not in words(page.body)
    assert world.get(first.replace("query=an+owl", f"like={NOBODYS}")).status == 200


def test_what_a_picture_searches_counts_as_a_search_and_its_facts_do_not(world: PictureWorld) -> None:
    world.app.accounts.set_subscription(world.caller.account, Subscription("free"))
    picture = found(world, "query=an+owl&cutoff=off")[0]
    plain = picture.partition("?")[0]
    explained = [text("pictures.why") in words(world.get(picture).body) for _ in range(62)]
    assert explained == [True] * 59 + [False] * 3, "the plan has 60 searches a minute, of which one found the picture"
    assert world.get("/?query=an+owl").status == 429
    for shown in (picture, plain):
        assert world.get(shown).status == 200
        assert text("pictures.facts") in words(world.get(shown).body)
    world.ports.clock.pass_by(timedelta(minutes=1))
    for _ in range(70):
        world.get(plain)
    assert text("pictures.why") in words(world.get(picture).body)


def test_a_picture_that_is_gone_or_of_another_account_is_not_there(world: PictureWorld) -> None:
    (uuid,) = world.put("a.jpg")
    stranger = world.dashboard.signed_in("Jo", plan="business")
    for path in ("", "/similar"):
        assert world.get(f"/pictures/{NOBODYS}{path}").status == 404
        assert stranger.get(f"/pictures/{uuid}{path}").status == 404
        assert world.get(f"/pictures/{uuid}{path}").status in (200, 303)
    assert stranger.post(f"/pictures/{uuid}/delete").status == 404
    assert stranger.post("/selection/delete", [("picked", uuid)]).status == 303
    assert text("pictures.nothing_selected") in words(stranger.get(f"/selection?picked={uuid}").body)
    assert world.get(f"/pictures/{uuid}").status == 200


def test_similar_pictures_come_when_they_are_asked_for_and_without_a_script_as_a_search(world: PictureWorld) -> None:
    (uuid,) = world.put("a.jpg")
    part = world.get(f"/pictures/{uuid}/similar", fragment=True).body
    assert len(links(part, "/pictures/")) == len(NAMES)
    assert uuid not in part
    assert world.get(f"/pictures/{uuid}/similar").location == f"/?like={uuid}&cutoff=off"


def test_a_picture_in_managed_storage_is_deleted_after_a_second_click_and_leads_back(world: PictureWorld) -> None:
    uuid = found(world, "query=an+owl&cutoff=off")[0].split("/")[2].partition("?")[0]
    page = world.get(f"/pictures/{uuid}?query=an+owl").body
    assert text("pictures.delete_hint") in words(page)
    answer = world.browser.post(f"/pictures/{uuid}/delete", {"query": "an owl"})
    assert answer.location == "/?query=an+owl"
    assert text("pictures.deleted") in words(world.get("/?query=an+owl").body)
    assert world.get(f"/pictures/{uuid}").status == 404


def test_selected_pictures_are_listed_to_download_and_to_delete(world: PictureWorld) -> None:
    uuids = [each.split("/")[2].partition("?")[0] for each in found(world, "query=an+owl&cutoff=off")[:3]]
    picked = "&".join(f"picked={uuid}" for uuid in uuids)
    page = world.get(f"/selection?query=an+owl&{picked}&delete=1").body
    assert len([each for each in tags(page, "a") if "download" in each]) == 3
    assert text("pictures.delete_many", count=3) in words(page)
    assert links(page, f"/?like={uuids[0]}&like={uuids[1]}&like={uuids[2]}")
    answer = world.browser.post("/selection/delete", [("query", "an owl"), *(("picked", uuid) for uuid in uuids)])
    assert answer.location == "/?query=an+owl"
    assert len(found(world, "query=an+owl&cutoff=off")) == len(NAMES) - 3
    assert text("pictures.nothing_selected") in words(world.get(f"/selection?{picked}").body)


def test_what_another_request_holds_is_deleted_by_a_worker_and_one_is_told_so(world: PictureWorld) -> None:
    uuids = [each.split("/")[2].partition("?")[0] for each in found(world, "query=an+owl&cutoff=off")[:2]]
    record, now = world.app.files.get(world.caller.account, uuids[0]), world.ports.clock()
    ref = UploadRef(record.account, record.collection, "")
    assert world.ports.quota_ledger.lock(ref, record.key, "another request", now, now + timedelta(minutes=1))

    world.browser.post("/selection/delete", [("picked", uuid) for uuid in uuids])

    assert [work.keys for work in world.ports.queues.file_work] == [(record.key,)]
    assert text("pictures.deletion_pending") in words(world.get("/").body)
    assert len(found(world, "query=an+owl&cutoff=off")) == len(NAMES) - 1


def test_a_selected_picture_of_a_bucket_is_refused_and_the_others_are_deleted(world: PictureWorld) -> None:
    uuids = [each.split("/")[2].partition("?")[0] for each in found(world, "query=an+owl&cutoff=off")[:1]]
    bucket = a_collection(account=world.caller.account)
    world.ports.collections.add(bucket)
    kept = a_record(bucket, f"{bucket.prefix}kept.jpg")
    world.ports.catalogue.save(kept, None)

    world.browser.post("/selection/delete", [("picked", uuid) for uuid in (*uuids, kept.uuid)])

    assert text("pictures.deleted_but_refused") in words(world.get("/").body)
    assert world.get(f"/pictures/{kept.uuid}").status == 200
    assert world.get(f"/pictures/{uuids[0]}").status == 404


def test_a_selection_has_so_many_pictures_at_most(world: PictureWorld) -> None:
    picked = "&".join(f"picked={NOBODYS[:-3]}{number:03d}" for number in range(PICKED_MAX + 1))
    answer = world.get(f"/selection?{picked}")
    assert answer.status == 400
    assert text("pictures.too_many", count=PICKED_MAX) in words(answer.body)


def test_more_like_selected_pictures_is_a_search_by_all_of_them(world: PictureWorld) -> None:
    uuids = world.put("a.jpg", "b.jpg")
    picked = "&".join(f"picked={uuid}" for uuid in uuids)
    answer = world.get(f"/?query={quote('an owl')}&{picked}")
    assert answer.location == f"/?query=an+owl&like={uuids[0]}&like={uuids[1]}"


def test_copies_of_a_picture_are_a_fact_that_leads_to_them_and_are_not_similar_pictures() -> None:
    world = PictureWorld()
    first, *copies = (
        world.app.uploads.upload(world.caller, world.collection, f"{name}.jpg", b"one picture").uuid for name in "abc"
    )
    (other,) = world.put("other.jpg")
    assert text("pictures.copies") not in words(world.get(f"/pictures/{first}").body)
    page = world.get(f"/pictures/{first}/similar", fragment=True).body
    assert text("pictures.others", count=2) in words(page)
    (path,) = links(page, "/selection?")
    assert all(uuid in path for uuid in (first, *copies))
    assert links(page, "/pictures/") == [f"/pictures/{other}"]
    alone = world.get(f"/pictures/{other}/similar", fragment=True).body
    assert text("pictures.copies") not in words(alone)
