"""What all models share."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Model:
    """``extra`` has the fields of the answer that this version of the package does not know."""

    extra: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def to_dict(self) -> dict[str, Any]:
        """As the API sends it: times as texts, unknown fields beside the others."""
        values = {item.name: _plain(getattr(self, item.name)) for item in dataclasses.fields(self)}
        extra = values.pop("extra")
        return {**values, **extra}


def _plain(value: Any) -> Any:
    if isinstance(value, Model):
        return value.to_dict()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value
