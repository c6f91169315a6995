"""Agents say that they are done with a step, for a replay that waits for them."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import caller
from market.examples import answer
from market.kernel.api.asked import BodySerializer
from market.kernel.api.calls import Call
from market.kernel.api.schema import BODY_REFUSALS, errors
from trading.errors import StepNotEnded
from trading.steps.readiness import ready_roll, say_ready

READY_EXAMPLE = answer("ready", {"step": 42, "ready": 2})


class ReadySerializer(BodySerializer):
    step = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=2**63 - 1,
        help_text="The step that you are done with. Left out: the present one.",
    )


class RollSerializer(serializers.Serializer[Any]):
    """The present step, and how many accounts are done with it."""

    step = serializers.IntegerField(
        help_text="The last market step that has ended, its fills and close-outs included."
    )
    ready = serializers.IntegerField(help_text="How many accounts have said to be done with it.")


class ReadyView(Call):
    """Which step it is, and who is done with it."""

    bodies = {"post": ReadySerializer()}

    @extend_schema(
        operation_id="market_step",
        summary="The present market step, and how many accounts are done with it",
        responses={200: RollSerializer, **errors(400, 401, 429, 503)},
        examples=[READY_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        return Response(RollSerializer(ready_roll()).data)

    @extend_schema(
        operation_id="market_ready",
        summary="Say that you are done with a step",
        description="`manage.py replay --wait-for N` goes on when N accounts have. Saying it twice "
        "changes nothing.",
        responses={
            200: RollSerializer,
            **errors(400, step_not_ended=StepNotEnded.detail, **BODY_REFUSALS),
            **errors(401, 403, 429, 503),
        },
        examples=[OpenApiExample("present step", value={}, request_only=True), READY_EXAMPLE],
    )
    def post(self, request: Request) -> Response:
        roll = say_ready(user_id=caller(request).pk, step=self.read_body().get("step"))
        return Response(RollSerializer(roll).data)
