"""What images beside records change: costs and reads, by the code of the commit before them and by this one's.

Both run in one run, each in processes of its own, the earlier one from an extracted commit. The costs are those of
``costs``. The reads are timed on one DynamoDB Local, in turns: a listing as a sync reads it, and whole records as a
rebuild reads them, from a table that the code itself has filled.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from os import environ
from pathlib import Path
from statistics import median
from typing import Any

EARLIER_COMMIT = "fee4807"
RECORDS, TURNS = 3_000, 3
ROOT = Path(__file__).resolve().parents[3]


def main(*, with_costs: bool = True, with_reads: bool = True) -> None:
    from tests.bench.figures import figure  # not in an earlier commit's process
    from tests.dynamodb_local.server import dynamodb_local

    with tempfile.TemporaryDirectory() as folder:
        earlier, data = Path(folder) / "earlier", Path(folder) / "data"
        earlier.mkdir()
        data.mkdir()
        archive = subprocess.run(["git", "archive", EARLIER_COMMIT], cwd=ROOT, check=True, capture_output=True)
        subprocess.run(["tar", "-x", "-C", str(earlier)], input=archive.stdout, check=True)
        trees = {"before": earlier, "after": ROOT}
        if with_costs:
            for when, tree in trees.items():
                print(f"# {when}", flush=True)
                _run(tree, "-m", "tests.bench.sync", "costs")
        if not with_reads:
            return
        turns: dict[str, list[dict[str, float]]] = {when: [] for when in trees}
        with dynamodb_local(data) as client:
            for _ in range(TURNS):
                for when, tree in trees.items():
                    answer = _run(tree, __file__, client.meta.endpoint_url, capture=True)
                    turns[when].append(json.loads(answer.splitlines()[-1]))
        for name in turns["before"][0]:
            before, after = (median(turn[name] for turn in turns[when]) for when in ("before", "after"))
            figure(f"layout_{name}_before", before, "1/s")
            figure(f"layout_{name}_after", after, "1/s")
            ratios = [new[name] / old[name] for old, new in zip(turns["before"], turns["after"], strict=True)]
            figure(f"layout_{name}_ratio", median(ratios), "x")


def _run(tree: Path, *arguments: str, capture: bool = False) -> str:
    process = subprocess.run(
        [sys.executable, *arguments],
        cwd=tree,
        env=environ | {"PYTHONPATH": str(tree)},
        check=True,
        text=True,
        stdout=subprocess.PIPE if capture else None,
    )
    return process.stdout or ""


def read_once(endpoint: str) -> None:
    """Fill a table and read it, with whatever code is on the path; print records a second."""
    # Imported here: ``main`` never needs them, and an earlier commit's process takes its own.
    import boto3
    from botocore.config import Config

    from chalicelib.adapters.dynamodb.catalogue import DynamoDBCatalogue
    from chalicelib.domain.files import PendingWrite, new_thumbnail_key
    from chalicelib.services.maintenance.records import record_chunks
    from tests.contract.tables import make_table, put_collection
    from tests.factories import a_collection, a_record

    client = boto3.client(
        "dynamodb",
        endpoint_url=endpoint,
        region_name="eu-west-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
        config=Config(proxies={}),
    )
    collections, table = make_table(client, "CollectionsTable"), make_table(client, "CatalogueTable")
    catalogue: Any = DynamoDBCatalogue(client, table, collections, "accounts")
    collection = a_collection()
    put_collection(client, collections, collection)
    for start in range(0, RECORDS, 50):
        records = [a_record(collection, f"pictures/{n:06}.jpg", metadata={}) for n in range(start, start + 50)]
        writes = [PendingWrite(replace(record, thumbnail=new_thumbnail_key(record.uuid)), None) for record in records]
        if hasattr(catalogue, "put_images"):
            catalogue.put_images([write.record for write in writes])
        assert catalogue.save_all(writes) == set()
    rates = {}
    for name, read in {
        "listed": lambda: sum(1 for _ in catalogue.entries(collection.uuid, None)),
        "whole": lambda: sum(map(len, record_chunks(catalogue, collection.uuid))),
    }.items():
        read()
        started, used = time.perf_counter(), time.process_time()
        assert read() == RECORDS
        rates[f"{name}_per_s"] = RECORDS / (time.perf_counter() - started)
        rates[f"{name}_per_processor_s"] = RECORDS / (time.process_time() - used)
    print(json.dumps(rates))


if __name__ == "__main__":
    read_once(*sys.argv[1:])
