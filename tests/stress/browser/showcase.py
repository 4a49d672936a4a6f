"""An account as a customer may have it, for the pictures of the documents: five buckets, uploads, and a team."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from chalicelib.domain.accounts import Account, Caller, NewToken, Scope
from chalicelib.domain.collections import NewManagedCollection, Progress, SyncState, SyncStatus, Trigger
from chalicelib.domain.files import FileCounts
from chalicelib.domain.messages import SyncStep
from chalicelib.domain.plans import PLANS
from chalicelib.domain.syncs import KeyRange
from chalicelib.domain.users import Identity, Role
from infra.emulator import Emulator
from infra.local_system import LocalSystem
from tests.browser.visits import Visitor, visitor
from tests.conftest import SAMPLES
from tests.e2e.harness import Caller as ApiCaller
from tests.e2e.harness import Customer, bucket_source, eventually

PHOTOS = {path.stem: path for path in sorted((SAMPLES / "photos").glob("*.jpg"))}
WILD = (
    *("bison", "crocodile", "giant-panda", "giraffes", "hedgehog", "horses", "jaguars", "kangaroo", "kingfisher-bird"),
    *("koala", "lemur", "macaw-parrot", "moose", "owl", "polar-bears", "red-panda", "white-duck", "chickens", "sheep"),
)
TRAVEL = ("colosseum-in-rome", "dutch-windmill", "eiffel-tower", "great-wall-of-china", "igloo", "pyramid", "taj-mahal")
PRODUCTS = ("baseball", "chair", "cup-of-coffee", "drums", "frying-pan", "hammer", "scissors", "volleyball")
SEA = ("black-coral", "clownfish", "crab", "goldfish", "starfish-on-the-sea-floor")
BROKEN = {
    "2024/kenya/notes.jpg": b"These are the notes of the second week.",
    "2024/kenya/IMG_0231.jpg": b"",
    "2024/kenya/IMG_0232.jpg": PHOTOS["giraffes"].read_bytes()[:9_000],
}
BOXES = 3  # of scans, of which the bucket no longer has all but one


@dataclass(frozen=True)
class Showcase:
    visitor: Visitor
    ids: dict[str, str]


class _Maker:
    def __init__(self, emulator: Emulator, stack: LocalSystem) -> None:
        self.stack, self.services = stack, stack.deployment.services
        self.owner = visitor(stack)
        self.account: Account = self.owner.account
        self.s3: Any = emulator.session().client("s3", endpoint_url=emulator.endpoint)
        self.iam: Any = emulator.session().client("iam", endpoint_url=emulator.endpoint)
        self.customer = Customer(lambda service: emulator.session().client(service, endpoint_url=emulator.endpoint))  # type: ignore[call-overload]
        secret, _ = self.services.accounts.issue_token(self.account.uuid, NewToken("laptop of Nora", Scope.ADMIN))
        self.api = ApiCaller(stack.api_url, secret)

    def fill(self, bucket: str, folder: str, photos: Sequence[str]) -> None:
        self.s3.create_bucket(Bucket=bucket)
        for name in photos:
            self.s3.put_object(
                Bucket=bucket, Key=f"{folder}/{name}.jpg", Body=PHOTOS[name.rpartition("/")[2]].read_bytes()
            )

    def connect(self, name: str, bucket: str, folder: str, *, sync: bool = True) -> str:
        """Its uuid."""
        source = bucket_source(bucket, f"/{folder}")
        role = self.customer.create_role(self.api.result("POST", "/api/collections/check/", json=source))
        new = {**source, "type": "s3", "name": name, "role_arn": role, "auto_sync_interval": "daily"}
        uuid = str(self.api.result("POST", "/api/collections/", json=new)["collection"]["uuid"])
        if sync:
            self.api.sync_and_wait(uuid)
        return uuid

    def status(self, collection: str) -> str:
        return str(self.api.result("GET", f"/api/collections/{collection}/sync-status/")["status"])

    def archive(self) -> str:
        photos = [f"2024/{('kenya', 'oslo')[number % 2]}/{name}" for number, name in enumerate(WILD)]
        self.fill("northlight-archive", "field", photos)
        for key, body in BROKEN.items():
            self.s3.put_object(Bucket="northlight-archive", Key=f"field/{key}", Body=body)
        return self.connect("Field archive", "northlight-archive", "field")

    def travel(self) -> str:
        bucket, name = (
            "northlight-archive-eu-south-1-cold-storage-legacy-2019",
            "Travel desk, 2011–2019, scans from Lisbon",
        )
        scans = [f"box {box}/{photo}" for box in range(1, BOXES + 1) for photo in TRAVEL]
        self.fill(bucket, "scans/lisbon", scans)
        uuid = self.connect(name, bucket, "scans/lisbon")
        for scan in scans[len(TRAVEL) :]:
            self.s3.delete_object(Bucket=bucket, Key=f"scans/lisbon/{scan}.jpg")
        assert self.api("POST", f"/api/collections/{uuid}/sync/").ok
        eventually(lambda: self.status(uuid) == "needs_confirmation")
        return uuid

    def partner(self) -> str:
        """A collection whose role is gone."""
        self.fill("partner-archive", "sea", SEA)
        uuid = self.connect("صور البحر", "partner-archive", "sea")
        role = str(self.services.collections.get(self.account.uuid, uuid).role_arn).rpartition("/")[2]
        self.iam.delete_role_policy(RoleName=role, PolicyName="read")
        assert self.api("POST", f"/api/collections/{uuid}/sync/").ok
        eventually(lambda: self.status(uuid) == "failed")
        return uuid

    def syncing(self, collection: str) -> None:
        """A sync that no worker runs, so that it stays where it is."""
        stored, now = self.services.collections.get(self.account.uuid, collection), self.services.now()
        stated = FileCounts(stored.total_files, stored.total_size, stored.unindexed)
        counted = FileCounts(5_140, 2_345_678_901, {"not_an_image": 23})
        assert self.services.adapters.catalogue.fix_statistics(stored, stated, counted)
        sync, lease, syncs = str(uuid4()), now + timedelta(hours=1), self.services.adapters.syncs
        state = SyncState(
            status=SyncStatus.IN_PROGRESS,
            id=sync,
            trigger=Trigger.MANUAL,
            lease_until=lease,
            started_at=now - timedelta(minutes=3),
            open_key_ranges=1,
        )
        assert syncs.begin(stored, state, [KeyRange(0)], now)
        step = SyncStep(stored.account, stored.uuid, sync)
        key_range = syncs.acquire(step, lease)
        assert key_range is not None
        syncs.save_progress(step, key_range, Progress(listed=3_215, to_do=57), [], lease)

    def uploads(self) -> str:
        caller = Caller(self.account.uuid, PLANS["business"])
        uploads = self.services.collections.create(caller, NewManagedCollection("Uploads")).collection
        for name in ("rocket-launch", "astronaut"):
            self.services.uploads.upload(caller, uploads, f"{name}.jpg", PHOTOS[name].read_bytes())
        copy = PHOTOS["giraffes"].read_bytes()
        self.services.uploads.upload(caller, uploads, "giraffes for the poster.jpg", copy)
        return uploads.uuid

    def team(self) -> None:
        services, account = self.services, self.account.uuid
        services.accounts.issue_token(account, NewToken("nightly-export", Scope.READ))
        services.accounts.issue_token(
            account, NewToken("shop-frontend", Scope.SEARCH, origins=("https://shop.northlight.example",))
        )
        owner = services.users.get(self.owner.cookie.partition(".")[0])
        identity = Identity("https://issuer.example", "tal", "tal@northlight.example", True, "טל אברהם")
        services.users.sign_in(identity)
        services.users.invite(account, identity.email, Role.MEMBER, None)
        services.users.sign_in(identity)
        services.users.invite(account, "jo@partner-agency.example", Role.MEMBER, owner)
        agent = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile/15E148 Safari/604.1"
        services.sessions.begin(owner, self.account, address="2001:db8::1", agent=agent)


def make_showcase(emulator: Emulator, stack: LocalSystem) -> Showcase:
    """Raises AssertionError if the system does not index what it is given."""
    maker = _Maker(emulator, stack)
    ids = {"archive": maker.archive(), "travel": maker.travel(), "partner": maker.partner(), "uploads": maker.uploads()}
    maker.fill("northlight-shop", "products", PRODUCTS)
    ids["shop"] = maker.connect("Product shots", "northlight-shop", "products")
    maker.fill("hydro-survey", "2026", ())
    maker.connect("Hydro survey", "hydro-survey", "2026", sync=False)
    maker.syncing(ids["shop"])
    maker.team()
    return Showcase(maker.owner, ids)


def photo(name: str) -> Path:
    return PHOTOS[name]
