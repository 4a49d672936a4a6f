"""The arithmetic of the calculator, against sums made by hand, and its data, against the template."""

from datetime import date

import pytest

from infra.costs import (
    DAYS,
    PRICES,
    Domain,
    Usage,
    alarm_metrics,
    dollars,
    domain_line,
    lines_without_store,
    main,
    serverless_line,
    vectors_that_fit,
)
from infra.template import read_template

THOUSAND = Usage(1000, 0, syncs_per_day=0)


def line(usage: Usage, name: str):
    return next(found for found in lines_without_store(usage) if name in found.name)


def test_the_first_sync_of_a_thousand_pictures_costs_what_the_benchmark_counted():
    # 1,000 HEADs and GETs, 1,000 PUTs, one LIST, 1,770 reads, 6,914 writes, 139 requests of SQS.
    by_hand = 2 * 0.0004 + 0.005 + 0.005 / 1000 + 1770 * 0.125e-6 + 6914 * 0.625e-6 + 139 * 0.4e-6

    assert line(THOUSAND, "index each").once == pytest.approx(by_hand)
    assert line(THOUSAND, "index each").once == pytest.approx(0.0104, abs=0.0001)  # docs/sync.md


def test_embedding_costs_the_processors_time_and_the_worker_that_waits():
    # 0.1 s of 1,769 MB; the embedder has 3,008 / 1,769 processors; the worker, 512 MB, waits and writes for 20 ms.
    waiting = 0.1 / (3008 / 1769) + 0.02
    by_hand = 1000 * (0.1 * 1769 / 1024 * 0.0000166667 + waiting * 0.5 * 0.0000133334)

    assert line(THOUSAND, "embed each").once == pytest.approx(by_hand)


def test_a_daily_sync_without_changes_costs_by_the_picture_and_by_the_sync():
    usage = Usage(1000, 0, syncs_per_day=1)
    a_sync = 0.005 / 1000 + 62 * 0.125e-6 + 18 * 0.625e-6 + 3 * 0.4e-6 + 3 * 0.2e-6
    compared = 1000 * 0.0003 * 0.5 * 0.0000133334

    assert line(usage, "compare all").month == pytest.approx(DAYS * (a_sync + compared))
    assert line(THOUSAND, "compare all").month == 0


def test_a_million_webhooks_cost_their_messages_writes_and_waits():
    usage = Usage(0, 0, syncs_per_day=0, webhooks_per_day=1_000_000 / DAYS)
    by_hand = 6 * 0.4 + 2 * 0.2 + 3 * 0.125 + 8 * 0.625 + 0.3 * 0.25 * 13.3334 + 4 * 0.09 + 2 * 0.5

    assert line(usage, "webhooks").month == pytest.approx(by_hand)


def test_new_pictures_cost_each_month_what_the_first_ones_cost_once():
    usage = Usage(1000, 0, new_per_day=1000)

    for name in ("index each", "embed each"):
        assert line(usage, name).month == pytest.approx(DAYS * line(usage, name).once)


def test_storage_costs_by_the_gigabyte():
    assert line(Usage(1_000_000, 0), "S3: thumbnails").month == pytest.approx(42 * 0.023)
    assert line(Usage(1_000_000, 0), "records").month == pytest.approx(3.2 * (0.25 + 0.20))


def test_searches_and_their_thumbnails_cost_by_the_search():
    usage = Usage(1000, 1000, thumbnails=16)
    model = 0.02 * 3008 / 1024 * 0.0000166667
    restored = 0.01 * 0.0001397998
    a_search = restored + 3.5e-6 + 2 * 0.2e-6 + 0.1 * 0.0000133334 + model + 0.75e-6 + 2e-6 * 0.5
    a_thumbnail = restored + 3.5e-6 + 0.2e-6 + 0.05 * 0.0000133334 + 0.125e-6 + 0.4e-6 + 42e-6 * 0.09 + 2e-6 * 0.5

    assert line(usage, "searches").month == pytest.approx(1000 * DAYS * a_search)
    assert line(usage, "traffic").month == pytest.approx(16_000 * DAYS * a_thumbnail)


def test_the_calculators_domain_is_the_templates():
    parameters = read_template()["Parameters"]
    names = ("OpenSearchInstances", "OpenSearchInstanceType", "OpenSearchVolumeSize")

    assert Domain(*(parameters[name]["Default"] for name in names)) == Domain()


def test_a_domain_costs_its_instances_hours_and_disks():
    month = domain_line(Domain(2, "r7g.large.search", 20)).month

    assert month == pytest.approx(2 * (730 * 0.18 + 20 * 0.122) + 0.10 * alarm_metrics("HasDomain"))


@pytest.mark.parametrize(
    ("hours", "awake"),
    [(2, 2.1667), (24, 24)],
)
def test_serverless_costs_while_it_is_searched_and_ten_minutes_more(hours, awake):
    month = serverless_line(Usage(1000, 10, search_hours=hours)).month

    stored = 1000 * 512 * 8 / 1e9 * 0.024
    assert month == pytest.approx(DAYS * awake * 2 * 0.24 + stored + 0.10 * alarm_metrics("HasServerless"))


def test_serverless_that_nobody_searches_costs_its_storage_and_alarms_alone():
    idle = serverless_line(Usage(1_000_000, 0)).month

    assert idle == pytest.approx(4.096 * 0.024 + 0.10 * alarm_metrics("HasServerless"))


def test_a_domain_holds_vectors_in_half_of_its_memory_but_the_systems_and_twice_in_two_zones():
    one = vectors_that_fit(Domain(1, "r7g.large.search"))

    assert one == int(7.5e9 / (1.1 * (512 + 128)))
    assert vectors_that_fit(Domain(2, "r7g.large.search")) == one


def test_a_unit_without_a_price_is_an_error():
    with pytest.raises(KeyError):
        dollars({"wishes": 1})


def test_the_table_ends_with_the_totals_of_both_stores(capsys):
    assert main(["--pictures", "200000", "--searches-per-day", "1000"]) == 0
    printed = capsys.readouterr().out
    once, month = (sum(getattr(found, part) for found in lines_without_store(Usage(200_000, 1000)))
                   for part in ("once", "month"))  # fmt: skip

    for store in (domain_line(Domain()), serverless_line(Usage(200_000, 1000))):
        assert f"{once + store.once:,.2f}" in printed
        assert f"{month + store.month:,.2f}" in printed


def test_a_domain_that_is_too_small_is_named(capsys):
    main(["--pictures", "9000000", "--searches-per-day", "1"])

    assert "choose a larger one" in capsys.readouterr().out


@pytest.mark.parametrize("name", PRICES)
def test_every_price_has_a_unit_a_source_and_the_date_on_which_it_was_noted(name):
    price = PRICES[name]

    assert price["dollars"] > 0
    assert price["per"] >= 1
    assert price["unit"]
    assert price["source"].startswith("https://aws.amazon.com/")
    assert isinstance(price["noted"], date)


def test_an_alarm_costs_what_its_metrics_cost():
    resources = read_template()["Resources"].values()
    alarms = [r for r in resources if r.get("Type") == "AWS::CloudWatch::Alarm" and "Condition" not in r]
    calculated = [alarm for alarm in alarms if "Metrics" in alarm["Properties"]]
    inputs = sum(len(alarm["Properties"]["Metrics"]) - 1 for alarm in calculated)  # all but the expression

    assert calculated
    assert alarm_metrics(None) == len(alarms) - len(calculated) + inputs


def test_the_alarms_of_a_store_cost_only_with_that_store():
    idle = Usage(0, 0)

    assert serverless_line(idle).month == pytest.approx(0.10 * alarm_metrics("HasServerless"))
    assert domain_line(Domain(1, "t3.small.search", 10)).month == pytest.approx(
        730 * 0.036 + 10 * 0.122 + 0.10 * alarm_metrics("HasDomain")
    )
    assert min(alarm_metrics("HasDomain"), alarm_metrics("HasServerless")) >= 4
