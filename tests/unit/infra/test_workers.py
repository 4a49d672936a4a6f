"""The rows of the functions agree with app.py, and follow from the queues."""

import logging

import pytest
from chalice.app import CloudWatchEventConfig, ScheduledEventConfig, SQSEventConfig

import app
from chalicelib import workers
from chalicelib.config import queue_variable
from chalicelib.domain.messages import Queue
from infra.template import read_template
from infra.workers import SCHEDULED, WORKERS

SOURCES = app.app.event_sources


def test_chalice_leaves_the_logger_of_the_workers_at_its_own_level():
    assert app.app.log is logging.getLogger(workers.logger.name)
    assert not app.app.configure_logs


def test_each_queue_has_one_worker():
    assert sorted(row.queue for row in WORKERS) == sorted(Queue)


def test_the_decorators_of_app_py_name_the_queue_and_batch_size_of_each_row():
    decorated = {s.name: (s.queue, s.batch_size) for s in SOURCES if isinstance(s, SQSEventConfig)}
    queues = read_template()["Resources"]

    assert decorated == {
        f"{row.queue}_worker": (queues[row.queue_resource]["Properties"]["QueueName"]["Fn::Sub"], row.batch_size)
        for row in WORKERS
    }


def test_each_scheduled_function_of_app_py_has_a_row():
    decorated = {s.name for s in SOURCES if isinstance(s, ScheduledEventConfig | CloudWatchEventConfig)}

    assert {name.title().replace("_", "") for name in decorated} == {row.name for row in SCHEDULED}


@pytest.mark.parametrize("row", WORKERS, ids=lambda row: row.queue)
def test_the_functions_find_the_url_of_each_queue_in_their_environment(row):
    api = read_template()["Resources"]["APIHandler"]["Properties"]

    assert api["Environment"]["Variables"][queue_variable(row.queue)] == {"Ref": row.queue_resource}


@pytest.mark.parametrize("row", WORKERS, ids=lambda row: row.queue)
def test_a_limit_of_concurrency_is_one_that_sqs_accepts(row):
    # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
    assert row.max_concurrency is None or 2 <= row.max_concurrency <= 1000
