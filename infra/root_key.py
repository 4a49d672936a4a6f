"""The access key of the account's root on this machine: random for each folder, in a file of its owner alone."""

import base64
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

import boto3
import botocore.session
from botocore.config import Config
from botocore.loaders import Loader, create_loader

from infra.private_files import write_private

KEY_FILE = "root-key.json"


@dataclass(frozen=True, slots=True)
class RootKey:
    """An access key as AWS forms them: ``AKIA`` and 16 characters, and a secret of 40."""

    access_key_id: str
    secret_access_key: str = field(repr=False)

    @classmethod
    def make(cls) -> "RootKey":
        return cls(f"AKIA{base64.b32encode(secrets.token_bytes(10)).decode()}", secrets.token_urlsafe(30))

    @classmethod
    def read(cls, folder: Path) -> "RootKey | None":
        """The key of a folder; None where it has none, or half of one."""
        try:
            raw = json.loads((folder / KEY_FILE).read_text())
            return cls(raw["access_key_id"], raw["secret_access_key"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    @classmethod
    def of(cls, folder: Path) -> "RootKey":
        """The key of a folder, which is made the first time; its caller has the lock on the folder."""
        key = cls.read(folder)
        if key is None:
            key = cls.make()
            write_private(folder / KEY_FILE, json.dumps(asdict(key), indent=2) + "\n")
        return key

    def session(self, region: str) -> boto3.Session:
        """A session of the account's root, without the developer's profile and proxies.

        Pass the emulator's ``endpoint`` to each of its clients.
        """
        unset = (None, None, None, None)
        no_file = (None, None, os.devnull, None)
        core = botocore.session.Session({"profile": unset, "config_file": no_file, "credentials_file": no_file})
        core.register_component("data_loader", descriptions())
        core.set_default_client_config(Config(proxies={}))
        return boto3.Session(
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            region_name=region,
            botocore_session=core,
        )


@cache
def descriptions() -> Loader:
    """The descriptions of AWS's APIs: each is read once in a process, and not for each session, in 0.2 s for a few."""
    return create_loader()
