"""The composition root: where services are put together, for the functions, administration and tests alike.

It has the floors of ``chalicelib.services``: the pipeline, what requests need, and maintenance. Services of a floor are
made of adapters, and of services of their own floor and those below it. Each is imported and made on its first use: all
of them would double what a cold start of the API imports.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import boto3

from chalicelib.adapters.call_log import CallLog
from chalicelib.adapters.factory import AWSAdapters
from chalicelib.bootstrap.maintenance import MaintenanceServices
from chalicelib.bootstrap.pipeline import utc_now
from chalicelib.config import Config

__all__ = ["Services", "utc_now"]


class Services(MaintenanceServices):
    """The application's services on their adapters."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Services:
        """Raises ConfigurationError when a setting is missing or malformed."""
        config, calls = Config.read(environ), CallLog()

        def client(service: str, **options: Any) -> Any:
            return calls.watch(boto3.client(service, **options))  # type: ignore[call-overload]

        return cls(config, AWSAdapters(config, client), calls=calls)
