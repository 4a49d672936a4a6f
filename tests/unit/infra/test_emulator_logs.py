"""Which lines of a function's process are those of an invocation."""

from queue import Queue
from types import SimpleNamespace
from typing import Any

import pytest

from infra.emulator_logs import END, telling_end, until_end

CALL = "        try:\n            result = handler_fn(event, context)\n            write(result)\n"


def process(*lines: str, runtime: str = "python3.13", lives: bool = True) -> Any:
    """A function's process as the emulator has it, with the lines that it has written."""
    written: Queue[str] = Queue()
    for line in lines:
        written.put(line)
    return SimpleNamespace(_stderr_queue=written, _proc=object() if lives else None, config={"Runtime": runtime})


def waited(worker: Any, **_: float) -> str:
    """In place of the emulator's own way: everything that is there."""
    return "\n".join(worker._stderr_queue.queue)


def test_the_lines_of_an_invocation_are_those_up_to_its_end_and_the_others_are_the_next_ones() -> None:
    worker = process("one", "two", END, "three", END, END)
    logged = until_end(waited)
    assert [logged(worker), logged(worker), logged(worker)] == ["one\ntwo", "three", ""]


def test_a_last_line_without_an_end_of_its_own_is_kept() -> None:
    assert until_end(waited)(process("one", f"two{END}")) == "one\ntwo"


def test_lines_that_come_late_are_waited_for_and_no_longer_than_the_emulator_would() -> None:
    assert until_end(waited)(process("one")) == "one"


def test_an_end_that_comes_too_late_is_not_taken_for_that_of_the_next_invocation() -> None:
    worker = process("one")
    logged = until_end(waited)
    assert logged(worker) == "one"
    for line in ("late", END, "two", END, "three", END):
        worker._stderr_queue.put(line)
    assert [logged(worker), logged(worker)] == ["two", "three"]


def test_the_emulators_own_way_is_told_how_long_to_wait_as_it_tells_itself() -> None:
    worker = process(runtime="provided.al2023")
    assert until_end(lambda _, **waits: str(waits))(worker, first_line_wait=0.1) == "{'first_line_wait': 0.1}"


@pytest.mark.parametrize("worker", [process("one", f"{END}", lives=False), process("one", runtime="nodejs22.x")])
def test_a_process_that_writes_no_end_is_waited_for_in_the_emulators_way(worker: Any) -> None:
    assert until_end(waited)(worker).rstrip() == "one"


def test_the_end_is_written_once_the_handler_has_returned() -> None:
    before, after = telling_end(CALL).split(f"            print({END!r}, file=sys.stderr, flush=True)\n")
    assert before.endswith("result = handler_fn(event, context)\n")
    assert after == "            write(result)\n"


@pytest.mark.parametrize("program", ["", CALL + CALL, CALL.replace("handler_fn", "handle")])
def test_a_program_that_calls_handlers_in_another_way_is_refused(program: str) -> None:
    with pytest.raises(ValueError, match="another way"):
        telling_end(program)
