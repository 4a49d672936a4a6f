"""What is done before Lambda takes a snapshot of the API's function, and after one is restored."""

import gc
import random
from functools import cache

import boto3
from chalice.app import Chalice

from chalicelib.adapters.call_log import CallLog
from chalicelib.adapters.factory import AWSAdapters
from chalicelib.bootstrap import Services
from chalicelib.config import Config
from chalicelib.dashboard.rendering import environment
from chalicelib.dashboard.routes import PATHS, register_pages
from chalicelib.snapshot import SERVICES, load, renew
from tests.unit.test_config import ENVIRONMENT

OPENSEARCH = {"VECTOR_STORE": "opensearch", "OPENSEARCH_ENDPOINT": "https://search.invalid", "OPENSEARCH_SIGNING": ""}


@cache
def loaded() -> Services:
    config, calls = Config.read(ENVIRONMENT | OPENSEARCH), CallLog()
    session = boto3.Session("key", "secret", region_name=config.aws_region)
    adapters = AWSAdapters(config, lambda *service, **options: calls.watch(session.client(*service, **options)))
    services = Services(config, adapters, calls=calls)
    load(services, register_pages(Chalice("snapshot"), lambda: services))
    gc.unfreeze()  # what the tests of this process leave is collected
    return services


def test_what_first_requests_need_is_made_before_a_snapshot():
    made = vars(loaded())
    assert set(SERVICES) <= set(made)
    assert {"_dynamodb", "_s3", "vectors", "embedder", "queues", "accounts"} <= set(vars(made["adapters"]))


def test_no_call_is_made_before_a_snapshot_so_that_nothing_read_and_no_connection_is_in_it():
    services = loaded()
    assert services.calls.take() == {}
    assert services.links._read is None
    assert services.adapters.embedder._model is None


def test_every_page_and_template_is_loaded_before_a_snapshot():
    services = loaded()
    pages = register_pages(Chalice("snapshot"), lambda: services)
    pages.load()

    assert pages._loaded == set(PATHS)
    cached = {name for _, name in environment().cache}
    assert set(environment().list_templates(extensions=["html"])) <= cached


def test_two_restorations_of_one_snapshot_draw_other_numbers():
    state = random.getstate()
    drawn = []
    for _ in range(2):
        random.setstate(state)
        renew()
        drawn.append(random.random())

    assert drawn[0] != drawn[1]
