"""What schemathesis loads beside the document: here no response may have a field that the document does not name.

The document leaves responses open, so that fields may be added; a field that is there must be documented all the same.
"""

from typing import Any

import schemathesis


@schemathesis.hook
def before_load_schema(context: Any, raw_schema: dict[str, Any]) -> None:
    for schema in raw_schema["components"]["schemas"].values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)
