"""The JSON Schema of the result file, made from the types."""

import json

from bench.results.schema import SCHEMA_VERSION, Result
from bench.schema.bounds import FREE_JSON_SCHEMA


def schema_text() -> str:
    """Return the JSON Schema as indented JSON with a final newline."""
    schema = Result.model_json_schema()
    schema["$defs"]["JsonValue"] = FREE_JSON_SCHEMA
    document = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Benchledger result file, schema version {SCHEMA_VERSION}",
        **{key: value for key, value in schema.items() if key != "title"},
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
