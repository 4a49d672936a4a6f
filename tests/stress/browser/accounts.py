"""Accounts with no file, with some that wait, with one and with several hundred of long and hostile names."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from chalicelib.domain.accounts import Caller, NewToken, Scope
from chalicelib.domain.collections import Collection, NewManagedCollection
from chalicelib.domain.files import PENDING, FileCounts
from chalicelib.domain.plans import PLANS
from chalicelib.domain.users import Role
from chalicelib.domain.webhook_endpoints import NewWebhook
from chalicelib.domain.webhook_events import EventType
from infra.emulator import Emulator
from infra.local_system import LocalSystem
from tests.browser.visits import Visitor, visitor
from tests.conftest import SAMPLES
from tests.e2e.harness import Caller as ApiCaller
from tests.e2e.harness import Customer, bucket_source, eventually
from tests.stress.browser.places import EMPTY, MANY, ONE, WAITING

PHOTOS = sorted((SAMPLES / "photos").glob("*.jpg"))
COPIES = 6  # of each photograph in the bucket of many
BROKEN = 4  # files there that are no pictures
REMOVED = 60  # objects of the bucket whose files are to be removed
HUNDRED_THOUSAND = 100_000
WAITING_FILES = 50
LONG = "a-name-without-a-space-" * 12
NAMES = (
    "<script data-evil>alert(1)<script>",
    '"><img src=x data-evil onerror=alert(1)>',
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe\u2066",
    "صورة جميلة من الصيف الماضي في الجبال",
    "תמונה יפה מהקיץ שעבר",
    "写真の名前がとても長い場合にはどのように折り返されるのでしょうか" * 3,
    "👩‍👩‍👧‍👦🏳️‍🌈",
    LONG,
    "W" * 180,
)


@dataclass(frozen=True)
class Accounts:
    """Who looks, and the identifiers of what they look at."""

    visitors: dict[str, Visitor]
    ids: dict[str, str]


def make_accounts(emulator: Emulator, stack: LocalSystem) -> Accounts:
    """Raises AssertionError if the system does not index what it is given."""
    visitors = {EMPTY: visitor(stack, plan="free"), WAITING: visitor(stack), ONE: visitor(stack), MANY: visitor(stack)}
    ids = {"long": LONG[:150]}
    ids["nothing"] = _collection(stack, visitors[EMPTY], "Nothing yet").uuid
    ids["waiting"] = _waiting(stack, visitors[WAITING]).uuid
    one = _collection(stack, visitors[ONE], "One picture")
    ids |= {"one": one.uuid, "one_picture": _upload(stack, visitors[ONE], one, "owl.jpg")}
    ids |= _many(emulator, stack, visitors[MANY])
    return Accounts(visitors, ids)


def _many(emulator: Emulator, stack: LocalSystem, owner: Visitor) -> dict[str, str]:
    services = stack.deployment.services
    secret, _ = services.accounts.issue_token(owner.account.uuid, NewToken(NAMES[0][:100], Scope.ADMIN))
    caller = ApiCaller(stack.api_url, secret)
    customer = Customer(lambda service: emulator.session().client(service, endpoint_url=emulator.endpoint))  # type: ignore[call-overload]
    s3 = emulator.session().client("s3", endpoint_url=emulator.endpoint)
    bucket, other = customer.create_bucket(), customer.create_bucket()
    for number, photo in enumerate(PHOTOS * COPIES):
        name = f"{NAMES[number]}.jpg" if number < len(NAMES) else f"2024/summer {number // 40}/IMG_{number:04d}.jpg"
        s3.put_object(Bucket=bucket, Key=f"photos/{name}", Body=photo.read_bytes())
    for number in range(BROKEN):
        s3.put_object(Bucket=bucket, Key=f"photos/{NAMES[number]} broken.jpg", Body=b"no picture" * number)
    for number in range(REMOVED):
        s3.put_object(Bucket=other, Key=f"photos/{number}-{NAMES[4]}.jpg", Body=PHOTOS[number % 2].read_bytes())
    connected = _connect(customer, caller, bucket, f"{NAMES[0]}{NAMES[9]}"[:100])
    removals = _connect(customer, caller, other, NAMES[4])
    for number in range(REMOVED):
        s3.delete_object(Bucket=other, Key=f"photos/{number}-{NAMES[4]}.jpg")
    caller("POST", f"/api/collections/{removals}/sync/")
    eventually(lambda: _status(caller, removals) == "needs_confirmation")
    collection = services.collections.get(owner.account.uuid, connected)
    plain, long = (
        services.files.page_of_path(collection, f"{name}.jpg", None, reason=None).records[0].uuid
        for name in (NAMES[4], LONG)
    )
    return {
        "bucket": connected,
        "removals": removals,
        "picture": plain,
        "long_picture": long,
        "long_key": quote(f"photos/{LONG}.jpg"),
        "hundred_thousand": _hundred_thousand(stack, owner).uuid,
        "webhook": _furnish(stack, owner),
    }


def _connect(customer: Customer, caller: ApiCaller, bucket: str, name: str) -> str:
    """A collection of the bucket's folder ``photos``, synced once; returns its uuid."""
    source = bucket_source(bucket, "/photos")
    role = customer.create_role(caller.result("POST", "/api/collections/check/", json=source))
    payload = {**source, "type": "s3", "name": name, "role_arn": role}
    uuid = str(caller.result("POST", "/api/collections/", json=payload)["collection"]["uuid"])
    assert caller("POST", f"/api/collections/{uuid}/sync/").ok
    eventually(lambda: _status(caller, uuid) == "completed")
    return uuid


def _status(caller: ApiCaller, collection: str) -> Any:
    return caller.result("GET", f"/api/collections/{collection}/sync-status/")["status"]


def _collection(stack: LocalSystem, owner: Visitor, name: str) -> Collection:
    caller = Caller(owner.account.uuid, PLANS["business"])
    return stack.deployment.services.collections.create(caller, NewManagedCollection(name)).collection


def _upload(stack: LocalSystem, owner: Visitor, collection: Collection, name: str) -> str:
    caller = Caller(owner.account.uuid, PLANS["business"])
    body = (SAMPLES / "photos" / "owl.jpg").read_bytes()
    return stack.deployment.services.uploads.upload(caller, collection, name, body).uuid


def _waiting(stack: LocalSystem, owner: Visitor) -> Collection:
    """A collection whose record counts files that nothing has read yet; there are none, so they wait for good."""
    made = _collection(stack, owner, "Under way")
    _count(stack, owner, made, FileCounts(unindexed={PENDING: WAITING_FILES}))
    return made


def _hundred_thousand(stack: LocalSystem, owner: Visitor) -> Collection:
    """A collection with one file, whose record counts 100,000."""
    made = _collection(stack, owner, "מאה אלף תמונות")
    _upload(stack, owner, made, f"{LONG}.jpg")
    _count(stack, owner, made, FileCounts(HUNDRED_THOUSAND, 312_345_678_901, {"not_an_image": 1_234}))
    return made


def _count(stack: LocalSystem, owner: Visitor, collection: Collection, counts: FileCounts) -> None:
    """Writes what the collection's record counts, by the port that corrects counts."""
    services = stack.deployment.services
    stored = services.collections.get(owner.account.uuid, collection.uuid)
    stated = FileCounts(stored.total_files, stored.total_size, stored.unindexed)
    assert services.adapters.catalogue.fix_statistics(stored, stated, counts)


def _furnish(stack: LocalSystem, owner: Visitor) -> str:
    """Members, invitations, tokens, sessions and webhooks with such names; returns a webhook's id."""
    services, account = stack.deployment.services, owner.account.uuid
    user = services.users.get(owner.cookie.partition(".")[0])
    services.accounts.issue_token(account, NewToken("W" * 100, Scope.READ))
    services.accounts.issue_token(account, NewToken(NAMES[4], Scope.READ))
    visitor(stack, account)
    services.users.invite(account, f"{'x' * 60}@partner-agency.example", Role.MEMBER, user)
    services.sessions.begin(user, owner.account, address="2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", agent=NAMES[0])
    caller = Caller(account, PLANS["business"])
    events = (EventType.FILE_INDEXED, EventType.SYNC_COMPLETED)
    new = NewWebhook(f"https://192.0.2.1/{'x' * 180}", events, description=NAMES[5])
    return str(services.webhooks.create(caller, new, stack.api_url).id)
