"""Account statements and positions."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.access import caller, must_see, visible_user_id
from accounts.errors import AccountNotFound
from market.kernel.api.listing import LIST_ERRORS, ListQuery, filter_by, query_of
from market.kernel.api.schema import errors
from market.kernel.snapshot import consistent_read
from market.selectors import listed_as
from risk.errors import PositionNotFound
from risk.examples import POSITION_EXAMPLE
from risk.models import Position, PositionStatus
from risk.selectors import get_position, positions_of
from risk.serializers import POSITION, STATEMENT, PositionSerializer, StatementSerializer
from risk.statement import account_statement, position_lines

NO_ACCOUNT = errors(404, account_not_found=AccountNotFound.detail)


class MyAccountView(APIView):
    """The caller's account statement."""

    @extend_schema(
        operation_id="account_me",
        summary="Your account statement",
        responses={200: StatementSerializer, **errors(401, 429), **NO_ACCOUNT},
    )
    def get(self, request: Request) -> Response:
        statement = account_statement(user_id=caller(request).pk)
        return Response(STATEMENT.to_representation(statement))


class AccountView(APIView):
    """An account statement, for its owner and for staff."""

    @extend_schema(
        operation_id="account",
        summary="Account statement",
        responses={200: StatementSerializer, **errors(401, 403, 429), **NO_ACCOUNT},
    )
    def get(self, request: Request, user_id: int) -> Response:
        must_see(request, user_id)
        return Response(STATEMENT.to_representation(account_statement(user_id=user_id)))


class PositionQuery(ListQuery):
    status = serializers.ChoiceField(choices=PositionStatus.choices, required=False)


class PositionListView(generics.ListAPIView[Position]):
    """Positions, open and closed, newest first; staff see everybody's."""

    @extend_schema(
        summary="Positions",
        parameters=[PositionQuery],
        responses={200: PositionSerializer(many=True), **LIST_ERRORS},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        with consistent_read():
            page = self.paginate_queryset(self.get_queryset())
            assert page is not None
            lines = position_lines(list(page))
        return self.get_paginated_response([POSITION.to_representation(line) for line in lines])

    def get_queryset(self) -> QuerySet[Position]:
        return filter_by(
            positions_of(user_id=visible_user_id(self.request)),
            symbol_field="instrument",
            known_as=listed_as,
            time_field="opened_at",
            **query_of(self.request, PositionQuery),
        )


class PositionView(APIView):
    """One position, open or closed."""

    @extend_schema(
        operation_id="position",
        summary="One position",
        responses={
            200: PositionSerializer,
            **errors(401, 403, 429),
            **errors(404, position_not_found=PositionNotFound.detail),
        },
        examples=[POSITION_EXAMPLE],
    )
    def get(self, request: Request, position_id: int) -> Response:
        with consistent_read():
            position = get_position(position_id=position_id, user_id=visible_user_id(request))
            [line] = position_lines([position])
        return Response(POSITION.to_representation(line))
