"""Makes the emulator durable: what it has responded to is in its folder, whatever ends the process.

The emulator writes objects at once, and everything else when it ends by itself. Here each change of a table's items
and of a queue's messages is committed to a journal before the response is sent. Settings (stacks, roles, functions,
buckets, schedules) change rarely and are saved within a second. The names with an underscore belong to the pinned
version of the emulator; tests/integration/infra/test_emulator_durability.py fails where another one differs.
"""

import asyncio
import copy
import json
import logging
import shutil
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from os import fsync
from pathlib import Path
from typing import Any

from infra.emulator_journal import Journal, Message
from infra.emulator_requests import changes_settings, described, writes

SAVE_SECONDS = 1.0  # between two saves of settings, and between two waits for the disk
# Below the first, writes of objects are refused; below the second, those of items and messages, too.
MIN_FREE_BYTES_FOR_OBJECTS, MIN_FREE_BYTES = 64_000_000, 16_000_000
FREE_SPACE_SECONDS = 0.25  # for which a measured free space counts

Handler = Callable[..., Awaitable[Any]]
logger = logging.getLogger("durability")


class DurableEmulator:
    """Attaches a journal to the emulator's modules, before the emulator starts.

    Args:
        folder: whose disk may become full.
        state: the folder of the journal.
    """

    def __init__(self, folder: Path, state: Path) -> None:
        # The emulator reads its settings when it is imported.
        from ministack import app  # noqa: PLC0415
        from ministack.core import persistence  # noqa: PLC0415
        from ministack.services import cloudformation, cloudwatch, cloudwatch_logs, dynamodb, s3, sqs  # noqa: PLC0415

        state.mkdir(parents=True, exist_ok=True)
        self.journal = Journal(state / "journal.sqlite")
        self._app, self._persistence = app, persistence
        self._cloudformation, self._dynamodb, self._s3, self._sqs = cloudformation, dynamodb, s3, sqs
        self._without_logs = {"cloudwatch_logs": cloudwatch_logs, "cloudwatch": cloudwatch}
        self._folder = folder
        self._free = (float("-inf"), 0)  # when it was measured, and how many bytes
        self._settings_changed = True
        self._saved: dict[str, int] = {}
        self._unsynced: set[str] = set()
        self._refused: list[OSError] = []

    def attach(self) -> None:
        app, dynamodb, s3, sqs = self._app, self._dynamodb, self._s3, self._sqs
        app.app = self._around_requests(app.app)
        app.load_state, app.save_all = self._load_settings, self._save_at_end
        dynamodb._set_item = self._after(dynamodb._set_item, self._note_put)
        dynamodb._remove_item = self._after(dynamodb._remove_item, self._note_removal)
        dynamodb._items_replaced = self._after(dynamodb._items_replaced, self._note_replacement)
        dynamodb.get_state, sqs.get_state = self._tables_without_items, self._queues_without_messages
        dynamodb.load_persisted_state = self._then(dynamodb.load_persisted_state, self._load_items)
        sqs.load_persisted_state = self._then(sqs.load_persisted_state, self._load_messages)
        dynamodb.handle_request = self._committing(dynamodb.handle_request)
        sqs.handle_request = self._committing(sqs.handle_request)
        # Threads of the emulator change queues, too. On the event loop no change of theirs can overwrite another.
        sqs._receive_messages_for_esm = self._on_loop(sqs._receive_messages_for_esm)
        sqs._delete_messages_for_esm = self._on_loop(sqs._delete_messages_for_esm)
        s3._deliver_event_to_sqs = self._on_loop(s3._deliver_event_to_sqs)
        s3._atomic_write = self._noting_files(s3._atomic_write)
        s3.handle_request = self._refusing_unwritten_objects(s3.handle_request)
        threading.Thread(target=self._save_regularly, daemon=True).start()

    def close(self) -> None:
        """Commit and save what is left, once the emulator has ended."""
        self._commit()
        self._sync_files()
        self.journal.close()

    # Tables and queues.

    def _note_put(self, _: object, table: Any, partition_key: str, sort_key: str, item: Any) -> None:
        if "TableId" in table:
            self.journal.put_item(table["TableId"], partition_key, sort_key, item)

    def _note_removal(self, removed: object, table: Any, partition_key: str, sort_key: str) -> None:
        if removed is not None and "TableId" in table:
            self.journal.remove_item(table["TableId"], partition_key, sort_key)

    def _note_replacement(self, _: object, table: Any) -> None:
        self.journal.replace_items(table["TableId"], table["items"])

    def _commit(self) -> None:
        for queue in list(self._sqs._queues._data.values()):
            self.journal.compare_queue(queue["attributes"]["QueueArn"], queue["messages"])
        self.journal.commit()

    def _tables_without_items(self) -> dict[str, Any]:
        dynamodb = self._dynamodb
        scoped = (self._persistence.AccountRegionScopedDict, self._persistence.AccountScopedDict)
        state = {
            name.removeprefix("_"): copy.deepcopy(value)
            for name, value in vars(dynamodb).items()
            if isinstance(value, scoped) and value is not dynamodb._tables
        }
        return state | {"tables": self._without(dynamodb._tables, "items", {}, dynamodb._INDEX_MEMBERS)}

    def _queues_without_messages(self) -> dict[str, Any]:
        sqs = self._sqs
        return {
            "queues": self._without(sqs._queues, "messages", []),
            "queue_name_to_url": copy.deepcopy(sqs._queue_name_to_url),
        }

    def _without(self, scoped: Any, name: str, instead: Any, *derived: str) -> Any:
        """A copy of a store's records, each with an empty value for what the journal has."""
        copied = type(scoped)()
        for key, record in list(scoped._data.items()):
            rest = {field: value for field, value in record.items() if field != name and field not in derived}
            copied._data[key] = copy.deepcopy(rest) | {name: instead}
        return copied

    def _load_items(self) -> None:
        tables = list(self._dynamodb._tables.all_values())
        for table in tables:
            if table["items"]:  # written by a version without a journal
                self.journal.replace_items(table["TableId"], table["items"])
            else:
                table["items"] = defaultdict(dict, self.journal.items(table["TableId"]))
                self._dynamodb._update_counts(table)
        self.journal.forget_tables_but(table["TableId"] for table in tables)

    def _load_messages(self) -> None:
        queues = list(self._sqs._queues._data.values())
        for queue in queues:
            if not queue["messages"]:  # otherwise they were written by a version without a journal
                queue["messages"] = self.journal.messages(queue["attributes"]["QueueArn"])
            release(queue["messages"], time.time())
        self.journal.forget_queues_but(queue["attributes"]["QueueArn"] for queue in queues)

    # Settings.

    def _load_settings(self, service: str) -> Any:
        state = self.journal.settings(service)
        if state is None:
            return self._persistence.load_state(service)
        return json.loads(state, object_hook=self._persistence._json_object_hook)

    def _save_regularly(self) -> None:
        while True:
            time.sleep(SAVE_SECONDS)
            loop = self._app._MAIN_LOOP
            if loop is None or loop.is_closed():
                continue
            try:
                self._save_settings(asyncio.run_coroutine_threadsafe(self._changed_settings(), loop).result())
                self._sync_files()
            except (sqlite3.Error, OSError) as error:
                self._settings_changed = True
                logger.warning("The state could not be saved: %s", error)
            except RuntimeError:
                return  # the loop has ended: the state is saved at the end

    async def _changed_settings(self) -> dict[str, Any]:
        """The state of every service if settings have changed; runs on the event loop, where nothing else changes."""
        with suppress(sqlite3.Error):
            self._commit()
        # A stack is saved as it was before its update or after it: the emulator cannot continue one.
        if not self._settings_changed or self._stack_in_progress():
            return {}
        self._settings_changed = False
        return dict(self._states(self._app._build_persistence_save_dict()))

    def _stack_in_progress(self) -> bool:
        statuses = [str(stack.get("StackStatus")) for stack in list(self._cloudformation._stacks._data.values())]
        return any(status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS" for status in statuses)

    def _states(self, getters: Mapping[str, Callable[[], Any]]) -> Iterator[tuple[str, Any]]:
        for service, get_state in getters.items():
            state = get_state() if service not in self._without_logs else self._state_without_logs(service)
            if state is not None:
                yield service, state

    def _state_without_logs(self, service: str) -> dict[str, Any]:
        """Groups, alarms and dashboards, without what was logged and measured: that is of this run alone, and grows."""
        module = self._without_logs[service]
        if service == "cloudwatch":
            kept = ("alarms", "dashboards", "resource_tags")
            return {name: copy.deepcopy(getattr(module, f"_{name}")) for name in kept}
        return {
            "log_groups": self._without(module._log_groups, "streams", {}),
            "metric_filters": copy.deepcopy(module._metric_filters),
            "resource_policies": copy.deepcopy(module._resource_policies),
        }

    def _save_settings(self, states: Mapping[str, Any]) -> None:
        encode = self._persistence._json_default
        texts = {service: json.dumps(state, default=encode) for service, state in states.items()}
        changed = {service: text for service, text in texts.items() if self._saved.get(service) != hash(text)}
        if changed:
            self.journal.save_settings(changed)
            self._saved |= {service: hash(text) for service, text in changed.items()}

    def _save_at_end(self, getters: Mapping[str, Callable[[], Any]]) -> None:
        """In place of the emulator's own files, which would be a second truth."""
        self._commit()
        if not self._stack_in_progress():
            self._save_settings(dict(self._states(getters)))

    # Objects, and the disk.

    def _noting_files(self, write: Callable[..., None]) -> Callable[..., None]:
        def write_and_note(file: str, data: Any, **options: Any) -> None:
            try:
                write(file, data, **options)
            except OSError as error:
                self._refused.append(error)
                raise
            self._unsynced.add(file)

        return write_and_note

    def _refusing_unwritten_objects(self, handle: Handler) -> Handler:
        """The emulator logs that it could not write an object, and responds as if it had."""

        async def handle_or_refuse(*args: Any, **options: Any) -> Any:
            self._refused.clear()
            response = await handle(*args, **options)
            if self._refused:
                return _refusal("s3", f"The object could not be written: {self._refused[0].strerror}.")
            return response

        return handle_or_refuse

    def _sync_files(self) -> None:
        """Wait until the disk has the objects and what the journal has committed."""
        files, self._unsynced = self._unsynced, set()
        for file in files:
            with suppress(FileNotFoundError), open(file, "rb") as written:  # it may have been deleted since
                fsync(written.fileno())
        self.journal.sync()

    def _free_bytes(self) -> int:
        measured_at, free = self._free
        if time.monotonic() - measured_at > FREE_SPACE_SECONDS:
            free = shutil.disk_usage(self._folder).free
            self._free = (time.monotonic(), free)
        return free

    def _around_requests(self, app: Handler) -> Handler:
        async def respond(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            request = described(scope)
            if writes(request) and self._free_bytes() < (
                MIN_FREE_BYTES_FOR_OBJECTS if request["service"] == "s3" else MIN_FREE_BYTES
            ):
                await self._app._send_response(send, *_refusal(request["service"], "The disk is full."))
                return
            try:
                await app(scope, receive, send)
            finally:
                if changes_settings(request):
                    self._settings_changed = True

        return respond

    # How the emulator's functions are wrapped.

    def _after(self, function: Callable[..., Any], note: Callable[..., None]) -> Callable[..., Any]:
        def call_and_note(*args: Any, **options: Any) -> Any:
            result = function(*args, **options)
            note(result, *args, **options)
            return result

        return call_and_note

    def _then(self, function: Callable[[Any], Any], act: Callable[[], None]) -> Callable[[Any], None]:
        def call_then_act(data: Any) -> None:
            function(data)
            act()

        return call_then_act

    def _committing(self, handle: Handler) -> Handler:
        async def handle_and_commit(*args: Any, **options: Any) -> Any:
            response = await handle(*args, **options)
            try:
                self._commit()
            except sqlite3.Error as error:
                logger.warning("The journal could not be written: %s", error)
                return _refusal("", "The change could not be written. The disk may be full.")
            return response

        return handle_and_commit

    def _on_loop(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def call_and_commit(result: Future[Any], call: Callable[[], Any]) -> None:
            try:
                result.set_result(call())
            except BaseException as error:
                result.set_exception(error)
            with suppress(sqlite3.Error):  # it stays noted; the next commit writes it
                self._commit()

        def call_on_loop(*args: Any, **options: Any) -> Any:
            result: Future[Any] = Future()
            call = partial(function, *args, **options)
            if _is_event_loop():
                call_and_commit(result, call)
            else:
                # The context says for which account and region the thread works.
                self._app._MAIN_LOOP.call_soon_threadsafe(call_and_commit, result, call, context=copy_context())
            return result.result()

        return call_on_loop


def release(messages: list[Message], now: float) -> None:
    """Make messages visible that functions had received when the emulator ended and they with it.

    The journal does not know which those are. So each counts as received before: its worker then repairs what an
    earlier one may have left half done (docs/decisions/0024).
    """
    for message in messages:
        if message["receive_count"]:  # a message sent with a delay has none, and stays hidden
            message["visible_at"] = min(message["visible_at"], now)
        message["receive_count"] = max(message["receive_count"], 1)


def _is_event_loop() -> bool:
    """Whether the calling thread runs the event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _refusal(service: str, message: str) -> tuple[int, dict[str, str], bytes]:
    if service == "s3":
        body = f"<Error><Code>ServiceUnavailable</Code><Message>{message}</Message></Error>"
        return 503, {"Content-Type": "application/xml"}, body.encode()
    error = {"__type": "ServiceUnavailable", "message": message}
    return 503, {"Content-Type": "application/x-amz-json-1.0"}, json.dumps(error).encode()
