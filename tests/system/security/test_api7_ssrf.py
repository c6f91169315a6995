"""API7: no input of the API is an address that the exchange would call."""

from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

# The webhook of the alerts is set by the operator, in the environment, and follows no redirect
# (tests/kpi/alerts/test_webhook.py). One that a client could set would stand here, and must refuse
# loopback, link-local and private addresses, also when its name resolves to one.
ALLOWED: set[str] = set()


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return SchemaGenerator().get_schema(request=None, public=True)


def inputs(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the schema of every parameter and of every field of a request's body, by name."""
    found: dict[str, dict[str, Any]] = {}
    for methods in schema["paths"].values():
        for operation in methods.values():
            for parameter in operation.get("parameters", []):
                found[parameter["name"]] = parameter["schema"]
    for name, component in schema["components"]["schemas"].items():
        if name.endswith("Request"):
            found |= component.get("properties", {})
    return found


def test_no_input_is_an_address(schema: dict[str, Any]) -> None:
    found = inputs(schema)
    assert {"symbol", "api_key", "size"} <= set(found)
    addresses = {
        name
        for name, field in found.items()
        if field.get("format") in {"uri", "url", "hostname", "ipv4", "ipv6"}
        or any(word in name for word in ("url", "uri", "host", "callback", "webhook"))
    }
    assert addresses == ALLOWED
