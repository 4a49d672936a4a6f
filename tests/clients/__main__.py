"""``make clients``: generates and compiles clients in several languages, and runs each on a local system.

Prints a table of clients and calls. A language that the machine lacks is named and left out; with ``--required`` that
is an error, as is a client that does not compile or a call that fails.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from chalicelib.api.openapi.document import build_document
from infra.local_system import LocalSystem
from infra.localhost import free_port
from tests.clients.generation import CLIENTS, LANGUAGES, Client, Program
from tests.clients.tools import ROOT, ClientError, Unavailable, run
from tests.isolation import documented_routes

CALLS = ("search", "picture search", "upload", "two-step upload", "list", "sync", "errors")
PICTURE = ROOT / "samples" / "photos" / "owl.jpg"


class System:
    """A local system in a folder of its own: it starts with the ``with`` block, and ``wait`` says when it is there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> "System":
        command = [sys.executable, "-m", "infra.run", "--port", str(free_port()), "--folder", str(self._folder)]
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGINT)
        self._process.communicate(timeout=60)

    def wait(self) -> LocalSystem:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if "is running" in line:
                break
        system = LocalSystem.read(self._folder)
        if system is None:
            raise ClientError("the local system did not start")
        return system


def build(clients: Sequence[Client], folder: Path) -> tuple[dict[str, Program], dict[str, str], list[str]]:
    """The programs by their clients' names, why the others could not be built, and what the machine lacks."""
    document = folder / "openapi.json"
    document.write_text(json.dumps(build_document(documented_routes())))
    programs, broken, lacking = {}, {}, []
    for client in clients:
        room = folder / client.name.replace(" ", "-")
        room.mkdir()
        try:
            programs[client.name] = client.build(document, room)
        except Unavailable as error:
            lacking.append(f"{client.name} is left out: {error}.")
        except ClientError as error:
            broken[client.name] = str(error)
    return programs, broken, lacking


def call(program: Program, system: LocalSystem) -> dict[str, str]:
    """What became of each call."""
    variables = {
        "API": system.api_url,
        "TOKEN": system.token,
        "COLLECTION": system.collection,
        "PICTURE": str(PICTURE),
    }
    output = run(program.command, ROOT, {**os.environ, **program.environment, **variables})
    outcomes = dict(line.split(": ", 1) for line in output.splitlines() if ": " in line)
    return {name: outcomes.get(name, "was not made") for name in CALLS}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make clients", description=__doc__)
    parser.add_argument("languages", nargs="*", metavar="language", help=f"of {', '.join(LANGUAGES)} (default: all)")
    parser.add_argument("--required", action="store_true", help="fail where the machine lacks a language")
    options = parser.parse_args(arguments)
    if unknown := set(options.languages) - set(LANGUAGES):
        parser.error(f"no client is in {', '.join(sorted(unknown))}")
    chosen = [client for client in CLIENTS if client.language in (options.languages or LANGUAGES)]
    folder = Path(tempfile.mkdtemp(prefix="similarix-clients-"))
    try:
        with System(folder / "system") as starting:
            programs, broken, lacking = build(chosen, folder)
            system = starting.wait()
            failed = print_table(chosen, programs, broken, system)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(lacking))
    return 1 if failed or (lacking and options.required) else 0


def print_table(
    clients: Sequence[Client], programs: dict[str, Program], broken: dict[str, str], system: LocalSystem
) -> bool:
    """Runs the programs one after the other, and prints the table and the faults; returns whether there is any."""
    faults = [f"{name} could not be built: {reason}" for name, reason in broken.items()]
    print(f"| client | {' | '.join(CALLS)} |\n| --- |{' --- |' * len(CALLS)}", flush=True)
    for client in clients:
        if client.name in broken:
            print(f"| {client.name} |{' no |' * len(CALLS)}")
        if client.name not in programs:
            continue
        try:
            outcomes = call(programs[client.name], system)
        except ClientError as error:
            outcomes = dict.fromkeys(CALLS, str(error))
        cells = " | ".join("yes" if outcome == "ok" else "no" for outcome in outcomes.values())
        print(f"| {client.name} | {cells} |", flush=True)
        faults += [f"{client.name}, {name}: {outcome}" for name, outcome in outcomes.items() if outcome != "ok"]
    print("\n".join(faults))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
