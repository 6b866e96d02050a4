"""Steps that bring a result file of an older schema version up to the present one."""

from collections.abc import Callable, Mapping

from pydantic import JsonValue

from bench.results.schema import SCHEMA_VERSION

Document = Mapping[str, JsonValue]

STEPS: dict[int, Callable[[Document], Document]] = {}
"""From version -> the step that leads to the next one. Version 1 is the first: there is no step yet."""


def migrated(document: Document) -> Document:
    """Return the document at the present schema version, taking one step after the other.

    The document has a `schema_version` between 1 and the present one.
    """
    for version in range(_version(document), SCHEMA_VERSION):
        document = STEPS[version](document)
    return document


def _version(document: Document) -> int:
    version = document["schema_version"]
    assert isinstance(version, int)
    return version
