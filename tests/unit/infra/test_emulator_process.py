"""Messages that functions had received when the emulator ended."""

import json

from infra.emulator_process import release_messages


def test_received_messages_become_visible_and_delayed_ones_stay_hidden(tmp_path):
    received, delayed, visible = (
        {"receive_count": 1, "visible_at": 2000.0},
        {"receive_count": 0, "visible_at": 2000.0},
        {"receive_count": 2, "visible_at": 500.0},
    )
    queues = {"data": {"queue": {"messages": [received, delayed, visible]}}}
    file = tmp_path / "sqs.json"
    file.write_text(json.dumps({"payload": {"queues": queues}}))
    release_messages(tmp_path, now=1000.0)

    messages = json.loads(file.read_text())["payload"]["queues"]["data"]["queue"]["messages"]
    assert [message["visible_at"] for message in messages] == [1000.0, 2000.0, 500.0]


def test_an_emulator_without_state_has_no_messages_to_release(tmp_path):
    release_messages(tmp_path, now=1000.0)

    assert not (tmp_path / "sqs.json").exists()
