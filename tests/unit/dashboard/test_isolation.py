"""Every page and form: the identifiers of another account, no session, no token of a session, another site."""

import html
import re
from collections.abc import Iterator, Mapping

import pytest

from tests.fakes.pages import FORM, HOST, Answer
from tests.unit.dashboard.page_isolation import (
    ACTIONS,
    FIELDS,
    Kind,
    Party,
    Target,
    World,
    kind_of_field,
    missing,
    named_fields,
    targets,
)

TARGETS = targets()
CHANGES = [target for target in TARGETS if target.method != "GET"]
CLOSED = [target for target in TARGETS if not target.options.public]
REFUSED = (400, 403, 404, 405, 409)


def name(target: Target) -> str:
    return target.name


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def unchanged_world() -> World:
    """A world that the tests of a module share, because each shows that it changes nothing."""
    return World()


def tried_fields(ids: Mapping[Kind, str]) -> Iterator[dict[str, str]]:
    """No field, each field alone, and all at once."""
    yield {}
    for field, kind in FIELDS.items():
        yield {field: ids[kind]}
    yield {field: ids[kind] for field, kind in FIELDS.items()}


def send_all(party: Party, target: Target, path: str, fields: Mapping[str, str]) -> list[Answer]:
    """The form with each of the buttons that a page may have, or the page."""
    if target.method == "GET":
        return [party.send(target, path, fields), party.send(target, path, fields, **{"hx-request": "true"})]
    return [
        party.send(target, path, {"do": action, "name": "x", "role": "owner", "scope": "search", **fields})
        for action in ACTIONS
    ]


def check_secrets(victim: Party, answer: Answer, given: Mapping[str, str], case: str) -> None:
    text = html.unescape(re.sub(r"<[^>]*>", "", answer.body))
    for value in given.values():
        text = text.replace(value, "").replace(value.rpartition("/")[2], "") if value else text
    assert not [secret for secret in victim.secrets if secret in text], case


@pytest.mark.parametrize("target", [each for each in CLOSED if any(each.parameters.values())], ids=name)
def test_the_identifier_of_another_account_in_a_path_is_that_of_nothing(unchanged_world: World, target: Target):
    victim, thief = unchanged_world.victim, unchanged_world.thief
    before = unchanged_world.state_of(victim)
    kinds = [kind for kind in target.parameters.values() if kind]
    for foreign in kinds:
        path = target.filled({**thief.ids, foreign: victim.ids[foreign]})
        unknown = target.filled({**thief.ids, foreign: missing(foreign)})
        for answer, of_nothing in zip(
            send_all(thief, target, path, {}), send_all(thief, target, unknown, {}), strict=True
        ):
            assert answer.status == of_nothing.status == 404, foreign
            check_secrets(victim, answer, {"": path.rpartition("/")[2], "id": victim.ids[foreign]}, f"{foreign}")
    assert unchanged_world.state_of(victim) == before


@pytest.mark.parametrize("target", CLOSED, ids=name)
def test_the_identifier_of_another_account_in_a_field_shows_and_changes_nothing(world: World, target: Target):
    victim, thief = world.victim, world.thief
    before = world.state_of(victim)
    for fields in tried_fields(victim.ids):
        if target.path == "/account/members/invite" and "email" in fields:
            continue  # who invites whom is everybody's own affair: the address of a stranger, too
        for answer in send_all(thief, target, target.filled(thief.ids), fields):
            assert answer.status < 500, fields
            check_secrets(victim, answer, fields, f"{fields}")
    assert world.state_of(victim) == before


@pytest.mark.parametrize("target", CLOSED, ids=name)
def test_without_a_session_every_page_leads_to_sign_in_and_nothing_changes(unchanged_world: World, target: Target):
    victim = unchanged_world.victim
    stranger = Party(unchanged_world.dashboard.browser(), victim.ids, ())
    before = unchanged_world.state_of(victim)
    for answer in send_all(stranger, target, target.filled(victim.ids), {}):
        leads = answer.headers.get("location") or answer.headers.get("hx-redirect") or ""
        assert answer.status in (303, 401)
        assert leads.startswith("/live/sign-in?next=%2F")
        check_secrets(victim, answer, {}, target.name)
    assert unchanged_world.state_of(victim) == before


@pytest.mark.parametrize("target", [each for each in CHANGES if each.options.checks_token], ids=name)
def test_without_the_session_s_token_nothing_changes(unchanged_world: World, target: Target):
    browser = unchanged_world.victim.browser
    before = unchanged_world.state_of(unchanged_world.victim)
    assert unchanged_world.thief.browser.key is not None
    own = {"origin": f"https://{HOST}", "sec-fetch-site": "same-origin", "content-type": FORM}
    for body in (b"", b"csrf=", f"csrf={unchanged_world.thief.browser.key.csrf_token}".encode()):
        answer = browser.send(target.method, target.filled(unchanged_world.victim.ids), own, body)
        assert answer.status == 403
    assert unchanged_world.state_of(unchanged_world.victim) == before


@pytest.mark.parametrize("target", CHANGES, ids=name)
def test_from_another_site_nothing_changes(unchanged_world: World, target: Target):
    victim = unchanged_world.victim
    before = unchanged_world.state_of(victim)
    path = target.filled(victim.ids)
    for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
        assert victim.browser.post(path, headers=headers, method=target.method).status == 403
    assert unchanged_world.state_of(victim) == before


@pytest.mark.parametrize("target", TARGETS, ids=name)
def test_a_malformed_identifier_is_refused_and_no_page_breaks(world: World, target: Target):
    thief = world.thief
    for value in ("..", "%00", "1", "é", "x" * 2000, "\u202egpj"):
        path = target.filled(dict.fromkeys(Kind, value))
        for answer in send_all(thief, target, path, dict.fromkeys(FIELDS, value))[:2]:
            assert answer.status < 500, value
            if any(target.parameters.values()):
                assert answer.status in REFUSED, value


@pytest.mark.parametrize("target", [each for each in TARGETS if each.method == "GET"], ids=name)
def test_what_a_cache_may_keep_has_no_cookie(unchanged_world: World, target: Target):
    victim = unchanged_world.victim
    for headers in ({}, {"hx-request": "true"}):
        answer = victim.send(target, target.filled(victim.ids), {}, **headers)
        assert answer.headers["cache-control"] == "no-store" or not answer.cookies


def test_every_identifier_of_the_victim_works_for_the_victim(world: World):
    for target in CLOSED:
        if target.method == "GET":
            answer = world.victim.send(target, target.filled(world.victim.ids), {})
            assert answer.status in (200, 303, 400), target.name


def test_every_field_of_every_page_is_known():
    assert {field for field in named_fields() if kind_of_field(field)} <= set(FIELDS)
    of_paths = {kind for target in TARGETS for kind in target.parameters.values() if kind}
    assert of_paths | set(FIELDS.values()) == set(Kind)


def test_a_page_that_names_an_unknown_identifier_fails_these_tests():
    with pytest.raises(LookupError, match="album"):
        kind_of_field("album")
    with pytest.raises(LookupError, match="album"):
        _ = Target("GET", "/albums/{album}", TARGETS[0].options).parameters
