"""The token endpoint, and the ledger of an account."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import schema  # noqa: F401  (importing registers the security scheme)
from accounts.access import caller, must_see
from accounts.authentication import issue_token
from accounts.errors import AccountNotFound, InvalidApiKey, KeyExpired, NetworkNotAllowed
from accounts.key_terms import KeyTerms, lifetime_of_token, must_open
from accounts.keys import identify, note_use
from accounts.models import Transfer, TransferKind
from accounts.selectors import get_account, ledger_line, transfers_of
from accounts.serializers import (
    LEDGER_LINE,
    TOKEN_REQUEST,
    LedgerLineSerializer,
    TokenSerializer,
)
from accounts.throttling import TokenThrottle
from market.examples import answer
from market.kernel.api.asked import PageQuery
from market.kernel.api.calls import Call, ListCall
from market.kernel.api.listing import LIST_ERRORS, filter_by
from market.kernel.api.pagination import LARGEST_ID
from market.kernel.api.schema import BODY_REFUSALS, errors
from market.kernel.endless import KeysFirst

EXAMPLES = [
    OpenApiExample("demo key", value={"api_key": "beginner-key"}, request_only=True),
    OpenApiExample(
        "token",
        value={"access_token": "eyJhbGciOiJIUzI1NiIs…", "token_type": "bearer", "expires_in": 3600},
        response_only=True,
        status_codes=["200"],
    ),
]
LEDGER_EXAMPLE = answer(
    "realised loss",
    {
        "transfer_id": 41,
        "user_id": 1,
        "kind": "realized_pnl",
        "amount": "-12.50000000",
        "order_id": 18,
        "liquidation_id": None,
        "reason": None,
        "created_at": "2026-01-05T12:00:01.250000Z",
    },
)


class TokenView(Call):
    """Exchanges an API key for a bearer token."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = (TokenThrottle,)
    bodies = {"post": TOKEN_REQUEST}

    @extend_schema(
        tags=["auth"],
        operation_id="create_token",
        summary="Exchange an API key for a token",
        description="The token names the key, whose end, by revoking or expiry, ends it at once. "
        "10 requests a minute per address.",
        responses={
            200: TokenSerializer,
            **errors(400, **BODY_REFUSALS),
            **errors(401, invalid_api_key=InvalidApiKey.detail, key_expired=KeyExpired.detail),
            **errors(403, network_not_allowed=NetworkNotAllowed.detail),
            **errors(429, 503),
        },
        examples=EXAMPLES,
    )
    def post(self, request: Request) -> Response:
        api_key = identify(key=self.read_body()["api_key"])
        terms = KeyTerms.of(api_key)
        must_open(terms, request._request)
        note_use(api_key)
        token = {
            "access_token": issue_token(api_key),
            "token_type": "bearer",
            "expires_in": int(lifetime_of_token(terms).total_seconds()),
        }
        return Response(token, headers={"Cache-Control": "no-store"})


class LedgerQuery(PageQuery):
    """Filters of a ledger; a transfer is of no instrument."""

    user_id = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=LARGEST_ID,
        help_text="Yours, as without it; staff may name anybody.",
    )
    since = serializers.DateTimeField(required=False, help_text="From this time on, ISO 8601.")
    until = serializers.DateTimeField(required=False, help_text="Before this time, ISO 8601.")
    kind = serializers.ChoiceField(choices=TransferKind.choices, required=False)


class LedgerView(ListCall[Transfer]):
    """The transfers of an account, newest first."""

    queries = {"get": LedgerQuery()}

    @extend_schema(
        operation_id="account_ledger",
        summary="Transfers of your account, newest first",
        description="All that ever moved its balance; the amounts add up to it.",
        responses={
            200: LedgerLineSerializer(many=True),
            **LIST_ERRORS,
            **errors(404, account_not_found=AccountNotFound.detail),
        },
        examples=[LEDGER_EXAMPLE],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        filters = self.filters
        user_id = filters.pop("user_id", caller(request).pk)
        must_see(request, user_id)
        account = get_account(user_id=user_id)
        sides = [narrowed(rows, filters) for rows in transfers_of(user_id=user_id)]
        page: Any = self.paginate_queryset(KeysFirst(*sides))  # type: ignore[arg-type]
        lines = [ledger_line(transfer, account=account) for transfer in page]
        return self.get_paginated_response([LEDGER_LINE.to_representation(line) for line in lines])


def narrowed(rows: QuerySet[Transfer], filters: dict[str, Any]) -> QuerySet[Transfer]:
    """Return the transfers that match filters; a made-up history's are not in order of time."""
    return filter_by(rows, time_field="created_at", keys_rise=False, **filters)
