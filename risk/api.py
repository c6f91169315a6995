"""Account statements and positions."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import caller, must_be_owner, must_see, visible_user_id
from accounts.errors import AccountNotFound
from market.kernel.api.asked import OwnerQuery
from market.kernel.api.calls import Call, ListCall
from market.kernel.api.listing import LIST_ERRORS, ListQuery, filter_by
from market.kernel.api.schema import errors
from market.kernel.snapshot import consistent_read
from market.selectors import listed_as
from risk.errors import PositionNotFound
from risk.examples import POSITION_EXAMPLE
from risk.models import Position, PositionStatus
from risk.selectors import POSITIONS, get_position, positions_of
from risk.serializers import POSITION, STATEMENT, PositionSerializer, StatementSerializer
from risk.statement import account_statement, position_lines

NO_ACCOUNT = errors(404, account_not_found=AccountNotFound.detail)


class MyAccountView(Call):
    """The caller's account statement."""

    queries = {"get": OwnerQuery()}

    @extend_schema(
        operation_id="account_me",
        summary="Your account statement",
        responses={200: StatementSerializer, **errors(400, 401, 403, 429), **NO_ACCOUNT},
    )
    def get(self, request: Request) -> Response:
        must_be_owner(request, self.query.get("user_id"))
        statement = account_statement(user_id=caller(request).pk)
        return Response(STATEMENT.to_representation(statement))


class AccountView(Call):
    """An account statement, for its owner and for staff."""

    queries = {"get": OwnerQuery()}

    @extend_schema(
        operation_id="account",
        summary="Account statement",
        responses={200: StatementSerializer, **errors(400, 401, 403, 429), **NO_ACCOUNT},
    )
    def get(self, request: Request, user_id: int) -> Response:
        must_see(request, user_id, asked=self.query.get("user_id"))
        return Response(STATEMENT.to_representation(account_statement(user_id=user_id)))


class PositionQuery(ListQuery):
    status = serializers.ChoiceField(choices=PositionStatus.choices, required=False)


class PositionListView(ListCall[Position]):
    """Positions, open and closed, newest first; staff see everybody's."""

    queries = {"get": PositionQuery()}
    rows = POSITIONS

    @extend_schema(
        summary="Positions",
        responses={200: PositionSerializer(many=True), **LIST_ERRORS},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with consistent_read():
            page = self.paginate_queryset(self.get_queryset())
            assert page is not None
            lines = position_lines(list(page))
        return self.get_paginated_response([POSITION.to_representation(line) for line in lines])

    def get_queryset(self) -> QuerySet[Position]:
        filters = self.filters
        return filter_by(
            positions_of(user_id=visible_user_id(self.request, filters.pop("user_id", None))),
            symbol_field="instrument",
            known_as=listed_as,
            time_field="opened_at",
            **filters,
        )


class PositionView(Call):
    """One position, open or closed."""

    queries = {"get": OwnerQuery()}

    @extend_schema(
        operation_id="position",
        summary="One position",
        responses={
            200: PositionSerializer,
            **errors(400, 401, 403, 429),
            **errors(404, position_not_found=PositionNotFound.detail),
        },
        examples=[POSITION_EXAMPLE],
    )
    def get(self, request: Request, position_id: int) -> Response:
        with consistent_read():
            position = get_position(
                position_id=position_id,
                user_id=visible_user_id(request, self.query.get("user_id")),
            )
            [line] = position_lines([position])
        return Response(POSITION.to_representation(line))
