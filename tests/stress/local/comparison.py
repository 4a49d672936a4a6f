"""What a user sees of a local system compared with what lies under it: listed, found, downloaded, stored."""

import hashlib
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from pathlib import Path

from chalicelib.domain.files import FileState
from chalicelib.services.maintenance.records import record_chunks
from infra.admin.deployment import Deployment
from infra.local_system import LocalSystem
from infra.localhost import direct_session
from infra.seed import Api
from tests.stress.stack.differences import differences

PAGE = 100
MAX_DOWNLOADS = 100  # of one comparison
Key = tuple[str, str]  # "managed" or "samples", and the object's key


def faults(
    deployment: Deployment, system: LocalSystem, store_file: Path, present: Mapping[Key, str], absent: Set[Key]
) -> Iterator[str]:
    """A sentence for each fault of a system that is idle.

    Args:
        store_file: of the SQLite store.
        present: MD5s of the files whose upload was answered.
        absent: files whose deletion was answered.
    """
    yield from differences(deployment, store_file)
    services = deployment.services
    yield from services.consistency_check.run(services.every_collection(), services.model_version(), lambda _: None)
    collections = {"managed": system.managed_collection, "samples": system.collection}
    records = {
        (name, record.key): record
        for name, uuid in collections.items()
        for chunk in record_chunks(services.adapters.catalogue, uuid)
        for record in chunk
    }
    for (name, key), digest in present.items():
        record = records.get((name, key))
        if record is None or record.state is not FileState.INDEXED or record.etag != digest:
            state = f"{record.state} ({record.reason}: {record.detail})" if record else "missing"
            yield f"{name}: {key!r} was answered, and is {state} in the catalogue"
    for name, key in absent:
        record = records.get((name, key))
        if record is not None and record.state is not FileState.REMOVED:
            yield f"{name}: {key!r} was deleted, and is {record.state} in the catalogue"
    indexed = {record.uuid: record.etag for record in records.values() if record.state is FileState.INDEXED}
    api = Api(system.api_url, system.token)
    found = Counter(_files(api, "/search/", query="a picture"))
    yield from _count_faults("found", found, indexed)
    listed = Counter(
        file for uuid in collections.values() for file in _files(api, f"/collections/{uuid}/files/", state="indexed")
    )
    yield from _count_faults("listed", listed, indexed)
    session = direct_session()
    session.headers["Authorization"] = f"Token {system.token}"
    for file in random.Random(0).sample(sorted(indexed), min(MAX_DOWNLOADS, len(indexed))):
        response = session.get(f"{system.api_url}/collections/download/{file}/", timeout=60)
        if not response.ok or hashlib.md5(response.content).hexdigest() != indexed[file]:  # S3's ETag
            yield f"{file} is indexed, and its download returned {response.status_code} or other bytes"


def _count_faults(verb: str, seen: Counter[str], indexed: Mapping[str, str]) -> Iterator[str]:
    """Whether each file was seen once, and no other."""
    for file in seen.keys() | indexed.keys():
        if seen[file] != (file in indexed):
            yield f"{file} is {verb} {seen[file]} times, and {'is' if file in indexed else 'is not'} in the catalogue"


def _files(api: Api, path: str, **parameters: str) -> Iterator[str]:
    """The uuids of all pages."""
    page: dict[str, str | int] = {"limit": PAGE}
    while True:
        result = api.call("GET", path, params=parameters | page)
        yield from (file["uuid"] for file in result["files"])
        if result["info"]["next_cursor"] is None:
            return
        page["cursor"] = result["info"]["next_cursor"]
