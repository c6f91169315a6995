"""The API keeps its published schema whatever it is asked, and never answers with a 500.

schemathesis is loaded by the test, not by each process of a parallel run, as a plugin of pytest.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, settings
from pytest_django import DjangoDbBlocker

from accounts.authentication import issue_token
from accounts.keys import issue_api_key
from accounts.models import User
from exchange_poc.wsgi import application
from risk.engine import Intent
from tests.each import undone_case
from tests.kept import kept, put_marked_now
from trading.demo.data import seed_demo
from trading.services import place_order

if TYPE_CHECKING:
    from schemathesis import BaseSchema, Case

#: Requests per call; a hundred and more find what the usual number leaves out.
EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "12"))


@pytest.fixture
def schema(one_transaction: None) -> "BaseSchema":
    import schemathesis

    return schemathesis.openapi.from_wsgi("/schema", application)


@pytest.fixture
def one_transaction(db: None) -> Iterator[None]:
    """Keep the test's connection open over requests, as Django's own test client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture(scope="session")
def traded(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> str:
    """What the exchange of a trader with a history is copied by."""
    return kept("traded", trade, django_db_blocker)


def trade() -> None:
    seed_demo()
    trader = User.objects.get(username="advanced")
    place_order(user_id=trader.pk, intent=Intent("BTCUSDT", True, Decimal("0.1")))


@pytest.fixture
def token(schema: "BaseSchema", traded: str, settings: Any) -> Iterator[Callable[[str], str]]:
    """The token of a trader with a history, on an exchange without rate limits, new to each call.

    Where schemathesis finds no request to make, it only says that the call was skipped.
    """
    settings.API_RATE_LIMIT = settings.ORDER_RATE_LIMIT = settings.TOKEN_RATE_LIMIT = None
    tokens: dict[str, str] = {}
    with ExitStack() as current:

        def of(call: str) -> str:
            if call not in tokens:
                current.close()
                current.enter_context(undone_case())
                put_marked_now(traded)
                trader = User.objects.get(username="advanced")
                api_key, _ = issue_api_key(reason="A test", user=trader)
                tokens[call] = issue_token(api_key)
            return tokens[call]

        yield of
    assert len(tokens) == sum(map(len, schema.values()))


def test_answers_conform_to_the_schema(
    request: pytest.FixtureRequest, token: Callable[[str], str]
) -> None:
    import schemathesis
    from schemathesis.specs.openapi.checks import (
        ignored_auth,
        negative_data_rejection,
        positive_data_acceptance,
    )

    # A rule may refuse what the schema allows. And where it costs nothing the API is lenient: an
    # empty filter counts as none, a number as a string. That no call opens without a token, or with
    # a bad one, tests/system/security asks once of each call, not of each example.
    excluded = [positive_data_acceptance, negative_data_rejection, ignored_auth]

    @schemathesis.pytest.from_fixture("schema").parametrize()
    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    def each_call(case: "Case", token: Callable[[str], str]) -> None:
        case.call_and_validate(
            headers={"Authorization": f"Bearer {token(case.operation.label)}"},
            excluded_checks=excluded,
        )

    each_call(request=request)
