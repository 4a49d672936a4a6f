"""AWS on this machine: the emulator as a child process on loopback, its state in a folder."""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import boto3
import requests

from infra.child_process import ChildProcess, Step
from infra.emulator_door import HEALTH_PATH
from infra.emulator_grants import GRANTS_VARIABLE
from infra.folder_lock import FolderLock, Holder, Recovery, UnwritableFolderError
from infra.localhost import HOST, direct_session, listens
from infra.private_files import FOLDER_MODE
from infra.root_key import RootKey

REGION = "us-east-1"
ACCOUNT = "000000000000"

GRACE_SECONDS = 5  # for running functions to end by themselves
STOP_SECONDS = 15  # and then to be ended
MIN_FREE_BYTES_TO_START = 128_000_000  # the functions unpack themselves, and then there are uploads
# Variables that the emulator inherits: none of the developer's AWS account, proxies or Python.
INHERITED_VARIABLES = ("HOME", "LANG", "LC_ALL", "PATH", "SYSTEMROOT", "TZ", "USER")


class EmulatorError(Exception):
    """The emulator cannot start; the message says why. ``make run`` prints it."""


class PortBusyError(EmulatorError):
    """Another server listens on the port."""


class Emulator(ChildProcess):
    """AWS on a port of loopback; ``stop`` keeps its state for the next start.

    Args:
        lock: on the folder, if the caller has it; otherwise the emulator takes it from its start to its stop.
        grants: a file that gets the rights which roles use, for ``infra.emulator_grants.Use``; None for no record.
    """

    name = "The emulator"
    error = EmulatorError
    start_seconds = 60

    def __init__(self, folder: Path, port: int, lock: FolderLock | None = None, grants: Path | None = None) -> None:
        super().__init__(folder, port, log="emulator.log")
        self._grants = grants
        self._given_lock = lock
        self._lock = lock or FolderLock(folder)
        self.last_written: datetime | None = None

    def start(self) -> None:
        """Returns once the emulator responds.

        Raises:
            FolderError: another run holds the folder, or it cannot be written.
            PortBusyError: another server listens on the port.
            EmulatorError: it ended at once, did not respond in time, or has no room on the disk.
        """
        if self._lock.fd is None:
            self._lock.acquire()
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def _start(self) -> None:
        if listens(self.port):
            raise PortBusyError(
                f"Port {self.port} on {HOST} is in use. Stop the server that listens there, or choose another port: "
                "make run PORT=4600"
            )
        free = shutil.disk_usage(self.folder).free
        if free < MIN_FREE_BYTES_TO_START:
            raise EmulatorError(
                f"The disk of {self.folder} has {free // 1_000_000} MB left. Similarix starts with "
                f"{MIN_FREE_BYTES_TO_START // 1_000_000} MB: make room, then start again."
            )
        last = Holder.read(self.folder)
        if last is not None and last.emulator is not None:
            _end_functions_of(last.emulator, self.folder)
        self._lock.begin(self.port)
        self.last_written = _last_written(self.folder / "state")
        assert self._lock.fd is not None
        try:
            # An earlier emulator unpacked its functions there.
            shutil.rmtree(self.folder / "tmp", ignore_errors=True)
            (self.folder / "tmp").mkdir(mode=FOLDER_MODE, exist_ok=True)
            process = self._launch(
                [sys.executable, "-P", str(Path(__file__).with_name("emulator_process.py"))],
                log_mode="wb",
                environment=self._environment(RootKey.of(self.folder)),
                inherited=[self._lock.fd],  # if this process is killed, the folder is in use until it has ended, too
            )
            self._lock.record_emulator(process)
        except OSError as error:
            raise UnwritableFolderError(self.folder, error) from error
        self._wait_until_it_responds()

    def stop(self) -> None:
        # The emulator waits for running functions: after a while they are ended, then the whole group is killed.
        self._end(
            Step(os.kill, signal.SIGTERM, GRACE_SECONDS),
            Step(os.killpg, signal.SIGTERM, STOP_SECONDS),
        )
        if self._given_lock is None:
            self._lock.release()

    @property
    def recovery(self) -> Recovery:
        """What is left to recover of an earlier run."""
        return self._lock.recovery

    def end_recovery(self) -> None:
        self._lock.end_recovery()

    @property
    def root_key(self) -> RootKey:
        """The access key of the account's root, which the first start makes."""
        key = RootKey.read(self.folder)
        if key is None:
            raise EmulatorError(f"The folder {self.folder} has no access key yet: no emulator has started there.")
        return key

    def session(self) -> boto3.Session:
        """A session of the account's root; pass ``endpoint`` to each of its clients."""
        return self.root_key.session(REGION)

    def api_url(self, rest_api: str, stage: str) -> str:
        """The URL of a REST API deployed here, without a trailing slash."""
        return f"{self.endpoint}/_aws/execute-api/{rest_api}/{stage}"

    def _environment(self, root_key: RootKey) -> dict[str, str]:
        inherited = {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}
        recorded = {GRANTS_VARIABLE: str(self._grants)} if self._grants else {}
        return (
            inherited
            | recorded
            | {
                "BIND_HOST": HOST,
                "MINISTACK_HOST": HOST,
                "GATEWAY_PORT": str(self.port),
                "MINISTACK_REGION": REGION,
                "MINISTACK_ACCOUNT_ID": ACCOUNT,
                "AUTH": "true",
                "AWS_ACCESS_KEY_ID": root_key.access_key_id,
                "AWS_SECRET_ACCESS_KEY": root_key.secret_access_key,
                "PERSIST_STATE": "1",
                "STATE_DIR": str(self.folder / "state"),
                "S3_PERSIST": "1",
                "S3_DATA_DIR": str(self.folder / "s3"),
                "TMPDIR": str(self.folder / "tmp"),
                # Servers of services that are not used here.
                "SFTP_ENABLED": "0",
                "IOT_MTLS_ENABLED": "0",
                # Functions run as processes; the developer's containers are left alone.
                "LAMBDA_EXECUTOR": "local",
                "DOCKER_HOST": f"unix://{self.folder / 'no-docker'}",
                # The functions inherit all this, and must not find the developer's own account.
                "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                "AWS_EC2_METADATA_DISABLED": "true",
            }
        )

    def _responds(self) -> bool:
        try:
            return direct_session().get(f"{self.endpoint}{HEALTH_PATH}", timeout=2).ok
        except requests.RequestException:
            return False


def _end_functions_of(group: int, folder: Path) -> None:
    """End the functions of an emulator that was killed, in its process group, and no other process."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,pgid=,command="], capture_output=True, text=True, check=False)
    for line in listed.stdout.splitlines():
        pid, process_group, command = line.split(maxsplit=2)
        if int(process_group) == group and f"{folder}{os.sep}" in command:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


def _last_written(state: Path) -> datetime | None:
    """When an emulator last wrote its journal."""
    times = [file.stat().st_mtime for file in state.glob("journal.sqlite*")]
    return datetime.fromtimestamp(max(times)).astimezone() if times else None
