"""What a deployment costs on AWS, from counted requests and list prices.

    python -m infra.costs --pictures 200000 --searches-per-day 1000

prints a table: dollars once, for the first sync, and dollars a month. ``cost_data.toml`` has every price with the date
on which it was noted, and what a picture, a sync and a search take; docs/costs.md explains the table.
"""

import argparse
import sys
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from typing import Any

from chalicelib.domain.syncs import Tally
from infra.template import read_template
from infra.template.dashboard import GB_SECONDS, INDEXING
from infra.workers import API, EMBEDDER, WORKERS

DATA: Mapping[str, Any] = tomllib.loads(Path(__file__).with_name("cost_data.toml").read_text("utf-8"))
PRICES: Mapping[str, Mapping[str, Any]] = DATA["prices"]
FIGURES: Mapping[str, Mapping[str, float]] = DATA["figures"]

# The prices of a second of the functions.
APPLICATION, MODEL = GB_SECONDS[API.architecture], GB_SECONDS[EMBEDDER.architecture]
DAYS, HOURS = 365 / 12, 730.0  # of a month
MB_PER_GB, KB_PER_GB = 1024, 1e6
METRICS_OF_A_WORKER = 3  # chalicelib/workers.py; and of two, one of each outcome of a file
METRICS_OF_WEBHOOKS = 3
DIMENSION, GRAPH_LINKS, GRAPH_OVERHEAD = 512, 16, 1.1  # docs/opensearch.md, "Sizing"
SYSTEM_GB = 0.5  # of an instance's memory, for what is neither OpenSearch's heap nor the page cache


def dollars(counts: Mapping[str, float]) -> float:
    """The price of so many units of each kind; raises KeyError for a kind without a price."""
    return sum(count * float(PRICES[name]["dollars"] / PRICES[name]["per"]) for name, count in counts.items())


@dataclass(frozen=True, slots=True)
class Usage:
    """What is to be paid for.

    Args:
        new_per_day: pictures that are added or changed each day.
        syncs_per_day: of everything; unchanged pictures are compared, and nothing more.
        search_hours: of a day, over which its searches are spread: a store of Serverless is awake so long.
        thumbnails: that are shown for each search.
        embedding_seconds: of one processor, for a picture.
        webhooks_per_day: events that are delivered, each to one endpoint.
        memory: of the functions ``embedder``, ``worker`` and ``api``, in MB; and of ``processor``, which so many buy.
    """

    pictures: int
    searches_per_day: float
    new_per_day: float = 0
    syncs_per_day: float = 1
    search_hours: float = 24
    thumbnails: int = 16
    embedding_seconds: float = FIGURES["time"]["embedding_seconds"]
    memory: Mapping[str, float] = field(default_factory=lambda: FIGURES["memory"])
    webhooks_per_day: float = 0


@dataclass(frozen=True, slots=True)
class Domain:
    """The instances of an OpenSearch domain, and the disk of each in GiB."""

    instances: int = 2
    instance_type: str = "r7g.medium.search"
    volume: int = 20


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the table: dollars once, and dollars a month."""

    name: str
    once: float
    month: float


def lines_without_store(usage: Usage) -> list[Line]:
    """What everything but the vector store costs."""
    sizes, time = FIGURES["sizes"], FIGURES["time"]
    new, searches = usage.new_per_day * DAYS, usage.searches_per_day * DAYS
    syncs = usage.syncs_per_day * DAYS
    compared = syncs * (usage.pictures * dollars(FIGURES["unchanged_picture"]) + _sync_overhead())
    compared += syncs * usage.pictures * dollars({APPLICATION: time["comparing_seconds"] * _gb(usage, "worker")})
    kept = HOURS * 3600 * _gb(usage, "api")
    indexed, embedded = dollars(FIGURES["first_sync_of_a_picture"]), _embedding(usage)
    records, thumbnails = (usage.pictures * sizes[name] / KB_PER_GB for name in ("record", "thumbnail"))
    return [
        Line("S3, DynamoDB, SQS: index each picture", usage.pictures * indexed, new * indexed),
        Line("Lambda: embed each picture", usage.pictures * embedded, new * embedded),
        Line("S3, DynamoDB, SQS, Lambda: compare all", 0, compared),
        Line("S3: thumbnails", 0, dollars({"s3_storage": thumbnails})),
        Line("DynamoDB: records, recoverable", 0, dollars({"dynamodb_storage": records, "dynamodb_recovery": records})),
        Line("API Gateway, Lambda, logs: searches", 0, searches * _search(usage)),
        Line("API Gateway, Lambda, traffic: thumbnails", 0, searches * usage.thumbnails * _thumbnail(usage)),
        Line("Lambda: the API's snapshot", 0, dollars({"lambda_snapshot_gb_seconds": kept})),
        Line("SQS, Lambda, DynamoDB: webhooks", 0, usage.webhooks_per_day * DAYS * _webhook(usage)),
        Line("KMS: the key of access keys", 0, dollars({"kms_keys": 1})),
        Line(
            "CloudWatch, ECR: alarms, metrics, dashboard, image",
            0,
            dollars(
                {
                    "alarms": alarm_metrics(None),
                    "metrics": METRICS_OF_A_WORKER * len(WORKERS)
                    + len(INDEXING) * len(fields(Tally))
                    + METRICS_OF_WEBHOOKS,
                    "dashboards": 1,
                    "images": sizes["image"],
                }
            ),
        ),
    ]


def domain_line(domain: Domain) -> Line:
    """An OpenSearch domain costs the same, searched or not."""
    month = domain.instances * (HOURS * dollars({domain.instance_type: 1}) + domain.volume * dollars({"volumes": 1}))
    month += dollars({"alarms": alarm_metrics("HasDomain")})
    return Line(f"{domain.instances} × {domain.instance_type}, {domain.volume} GiB each", 0, month)


def serverless_line(usage: Usage) -> Line:
    """OpenSearch Serverless costs while it is awake: for the first sync, for searches, and for changed pictures."""
    serverless = FIGURES["serverless"]
    searching = min(24.0, usage.search_hours + serverless["idle_hours"]) if usage.searches_per_day else 0.0
    indexing = _indexing_hours(usage.new_per_day, usage)
    hours = DAYS * (serverless["search_units"] * searching + serverless["index_units"] * min(24.0, indexing))
    once = serverless["index_units"] * _indexing_hours(usage.pictures, usage)
    # On disk a vector takes about twice its size.
    stored = usage.pictures * DIMENSION * 4 * 2 / 1e9
    return Line(
        f"OpenSearch Serverless, searched {usage.search_hours:g} hours a day",
        dollars({"serverless_units": once}),
        dollars({"serverless_units": hours, "serverless_storage": stored, "alarms": alarm_metrics("HasServerless")}),
    )


@cache
def alarm_metrics(condition: str | None) -> int:
    """Metrics that the template's alarms of a condition watch: AWS charges an alarm for each of its metrics."""
    alarms = [
        resource["Properties"]
        for resource in read_template()["Resources"].values()
        if resource.get("Type") == "AWS::CloudWatch::Alarm" and resource.get("Condition") == condition
    ]
    return sum(sum("MetricStat" in query for query in alarm.get("Metrics", [])) or 1 for alarm in alarms)


def vectors_that_fit(domain: Domain) -> int:
    """How many vectors of 512 dimensions the domain's memory holds, of seven bits a number, each twice in two zones.

    Half of the memory is OpenSearch's heap, and the system takes some of the rest.
    """
    memory = (FIGURES["instances"][domain.instance_type] / 2 - SYSTEM_GB) * 1e9 * domain.instances
    copies = 2 if domain.instances > 1 else 1
    return int(memory / (GRAPH_OVERHEAD * (DIMENSION + 8 * GRAPH_LINKS)) / copies)


def table(usage: Usage, domain: Domain) -> list[str]:
    """The lines to print."""
    common = lines_without_store(usage)
    stores = [domain_line(domain), serverless_line(usage)]
    noted = [price["noted"] for price in PRICES.values()]
    rows = [
        f"{usage.pictures:,} pictures, {usage.searches_per_day:,g} searches and {usage.syncs_per_day:g} syncs a day, "
        f"{usage.new_per_day:,g} new pictures a day.",
        f"Dollars, list prices of us-east-1 noted from {min(noted)} to {max(noted)}.",
        "",
        _row("", "once", "a month"),
        *(_row(line.name, f"{line.once:,.2f}", f"{line.month:,.2f}") for line in common),
    ]
    for store in stores:
        once, month = (sum(getattr(line, name) for line in (*common, store)) for name in ("once", "month"))
        rows += [
            "",
            _row(store.name, f"{store.once:,.2f}", f"{store.month:,.2f}"),
            _row("  total with it", f"{once:,.2f}", f"{month:,.2f}"),
        ]
    if usage.pictures > vectors_that_fit(domain):
        rows += ["", f"This domain holds {vectors_that_fit(domain):,} vectors in memory: choose a larger one."]
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m infra.costs", description="What a deployment costs on AWS.")
    add = parser.add_argument
    add("--pictures", type=int, required=True)
    add("--searches-per-day", type=float, required=True)
    add("--new-per-day", type=float, default=0, help="pictures added or changed each day (default: 0)")
    add("--syncs-per-day", type=float, default=1, help="of everything (default: 1)")
    add("--search-hours", type=float, default=24, help="of a day, over which searches are spread (default: 24)")
    add("--webhooks-per-day", type=float, default=0, help="events that are delivered (default: 0)")
    add("--thumbnails", type=int, default=16, help="that are shown for each search (default: 16)")
    add("--embedding-seconds", type=float, default=FIGURES["time"]["embedding_seconds"],
        help="of one processor for a picture (default: %(default)s, CLIP ViT-B/32; lite: 0.02)")  # fmt: skip
    add("--instances", type=int, default=2, help="of the domain (default: 2)")
    add("--instance-type", choices=FIGURES["instances"], default="r7g.medium.search", help="(default: %(default)s)")
    add("--volume", type=int, default=20, help="of each instance, in GiB (default: 20)")
    options = parser.parse_args(arguments)
    usage = Usage(
        options.pictures,
        options.searches_per_day,
        options.new_per_day,
        options.syncs_per_day,
        options.search_hours,
        options.thumbnails,
        options.embedding_seconds,
        webhooks_per_day=options.webhooks_per_day,
    )
    print("\n".join(table(usage, Domain(options.instances, options.instance_type, options.volume))))
    return 0


def duplicates_scan(pictures: int) -> float:
    """Dollars of a scan for duplicates among so many pictures; the vector store is paid for anyway."""
    gb_seconds = FIGURES["time"]["neighbours_seconds"] * FIGURES["memory"]["worker"] / MB_PER_GB
    return pictures * dollars({**FIGURES["compared_picture"], APPLICATION: gb_seconds})


def _gb(usage: Usage, function: str) -> float:
    """The memory of a function in GB."""
    return usage.memory[function] / MB_PER_GB


def _processors(usage: Usage) -> float:
    """Of an embedder."""
    return usage.memory["embedder"] / usage.memory["processor"]


def _embedding(usage: Usage) -> float:
    """Of one picture: a processor costs the same in a function of any size; the index worker waits meanwhile."""
    seconds = usage.embedding_seconds
    waiting = seconds / _processors(usage) + FIGURES["time"]["indexing_seconds"]
    return dollars({MODEL: seconds * _gb(usage, "processor"), APPLICATION: waiting * _gb(usage, "worker")})


def _sync_overhead() -> float:
    return dollars(FIGURES["sync_without_pictures"])


def _search(usage: Usage) -> float:
    """Of one search by text, without thumbnails."""
    time, counts = FIGURES["time"], FIGURES["counts"]
    return dollars(
        {
            "api_requests": 1,
            "lambda_requests": 2,
            APPLICATION: time["search_seconds"] * _gb(usage, "api"),
            "lambda_restored_gb": counts["restored_requests"] * _gb(usage, "api"),
            MODEL: time["text_seconds"] * _gb(usage, "embedder"),
            "dynamodb_reads": counts["searches_reads"],
            "dynamodb_writes": counts["searches_writes"],
            "logs": FIGURES["sizes"]["search_log"] / KB_PER_GB,
        }
    )


def _thumbnail(usage: Usage) -> float:
    """Of one thumbnail that the API sends."""
    return dollars(
        {
            "api_requests": 1,
            "lambda_requests": 1,
            APPLICATION: FIGURES["time"]["thumbnail_seconds"] * _gb(usage, "api"),
            "lambda_restored_gb": FIGURES["counts"]["restored_requests"] * _gb(usage, "api"),
            "dynamodb_reads": 1,
            "s3_get": 1,
            "transfer": FIGURES["sizes"]["thumbnail"] / KB_PER_GB,
            "logs": FIGURES["sizes"]["search_log"] / KB_PER_GB,
        }
    )


def _webhook(usage: Usage) -> float:
    """Of one event that is delivered to one endpoint."""
    sizes = FIGURES["sizes"]
    seconds = FIGURES["time"]["webhook_seconds"] * _gb(usage, "webhooks")
    body = {"transfer": sizes["webhook"] / KB_PER_GB, "logs": sizes["webhook_log"] / KB_PER_GB}
    return dollars(FIGURES["webhook"]) + dollars({APPLICATION: seconds, **body})


def _indexing_hours(pictures: float, usage: Usage) -> float:
    """How long the index workers take for so many pictures, and the store stays awake after them."""
    if not pictures:
        return 0.0
    processors = FIGURES["counts"]["index_workers"] * _processors(usage)
    return pictures * usage.embedding_seconds / processors / 3600 + FIGURES["serverless"]["idle_hours"]


def _row(name: str, once: str, month: str) -> str:
    return f"{name:<52}{once:>10}{month:>12}"


if __name__ == "__main__":
    sys.exit(main())
