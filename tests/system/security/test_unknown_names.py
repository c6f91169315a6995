"""No call passes over what it does not understand, whichever call it is."""

from typing import Any

import pytest
from drf_spectacular.generators import SchemaGenerator

from tests.conftest import ApiClient

#: Whatever their query holds they answer: probes and tools send what they like.
PATIENT = {"/health", "/metrics"}
NAMES = {"order_id": "1", "position_id": "1", "study_id": "1", "user_id": "1", "symbol": "BTCUSDT"}


@pytest.fixture(scope="module")
def calls() -> dict[tuple[str, str], dict[str, Any]]:
    """What the schema says of each call, by its method and path."""
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    return {
        (method, path): told
        for path, methods in paths.items()
        for method, told in methods.items()
        if path not in PATIENT
    }


def codes_of(told: dict[str, Any]) -> set[str]:
    """Return the codes that a call's refusals of 400 are documented with."""
    examples = told["responses"]["400"]["content"]["application/json"]["examples"]
    return {example["value"]["code"] for example in examples.values()}


def test_every_call_refuses_a_parameter_that_it_does_not_know(
    calls: dict[tuple[str, str], dict[str, Any]], staff: ApiClient
) -> None:
    for (method, path), told in calls.items():
        answer = getattr(staff, method)(path.format(**NAMES) + "?no_such_thing=1")
        assert (answer.status_code, answer.json()["code"]) == (400, "unknown_parameter"), path
        assert set(answer.json()["errors"]) == {"no_such_thing"}
        assert "unknown_parameter" in codes_of(told), path


def test_every_call_refuses_a_field_that_it_does_not_know(
    calls: dict[tuple[str, str], dict[str, Any]], staff: ApiClient
) -> None:
    for (method, path), told in calls.items():
        if method != "get":
            answer = getattr(staff, method)(path.format(**NAMES), {"no_such_thing": 1})
            assert (answer.status_code, answer.json()["code"]) == (400, "unknown_field"), path
            assert set(answer.json()["errors"]) == {"no_such_thing"}
            assert "unknown_field" in codes_of(told) or "requestBody" not in told, path
