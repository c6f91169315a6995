"""KPI, metrics and health endpoints."""

from typing import Any

from django.http import HttpResponse
from django_prometheus.exports import ExportToDjangoView
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from prometheus_client import CollectorRegistry, generate_latest
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from kpi.collectors import DatabaseCollector
from kpi.examples import (
    HEALTH_EXAMPLE,
    OUTAGE_EXAMPLE,
    SECURITY_EXAMPLE,
    SYSTEM_EXAMPLE,
    TRADING_EXAMPLE,
)
from kpi.health import HealthStatus, check_health
from kpi.selectors import get_security_kpis, get_system_kpis, get_trading_kpis
from kpi.serializers import (
    HealthSerializer,
    SecurityKpisSerializer,
    SystemKpisSerializer,
    TradingKpisSerializer,
)
from market.schema import errors

database_registry = CollectorRegistry()
database_registry.register(DatabaseCollector())


class SystemKpisView(APIView):
    """How the API performs."""

    @extend_schema(
        tags=["kpi"],
        operation_id="get_system_kpis",
        summary="Latency, error rate and uptime",
        responses={200: SystemKpisSerializer, **errors(401, 429, 503)},
        examples=[SYSTEM_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        return Response(SystemKpisSerializer(get_system_kpis()).data)


class TradingKpisView(APIView):
    """What was traded and what is at stake."""

    @extend_schema(
        tags=["kpi"],
        operation_id="get_trading_kpis",
        summary="Orders, trades, exposure and liquidations",
        responses={200: TradingKpisSerializer, **errors(401, 429, 503)},
        examples=[TRADING_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        return Response(TradingKpisSerializer(get_trading_kpis()).data)


class SecurityKpisView(APIView):
    """What was refused."""

    @extend_schema(
        tags=["kpi"],
        operation_id="get_security_kpis",
        summary="Refused credentials and reached rate limits",
        responses={200: SecurityKpisSerializer, **errors(401, 429, 503)},
        examples=[SECURITY_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        return Response(SecurityKpisSerializer(get_security_kpis()).data)


class HealthView(APIView):
    """Whether the exchange is there; for load balancers."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()

    @extend_schema(
        tags=["operations"],
        operation_id="get_health",
        summary="Health of the database, the cache and the worker",
        description="Degraded, without the cache or the worker, still answers requests: rate "
        "limits are not counted, prices and close-outs stand still. The worker counts as "
        "unavailable before its first heartbeat.",
        responses={
            200: HealthSerializer,
            503: OpenApiResponse(HealthSerializer, description="Database away"),
        },
        examples=[HEALTH_EXAMPLE, OUTAGE_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        health = check_health()
        status = 503 if health.status == HealthStatus.UNAVAILABLE else 200
        return Response(HealthSerializer(health).data, status=status)


class PlainTextRenderer(BaseRenderer):
    """Lets clients ask for ``text/plain``."""

    media_type = "text/plain"
    format = "txt"

    def render(self, data: Any, *args: Any, **kwargs: Any) -> str:
        return str(data)


class MetricsView(APIView):
    """The metrics of all processes and of the database, for Prometheus."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    renderer_classes = (PlainTextRenderer,)

    @extend_schema(
        tags=["operations"],
        operation_id="get_metrics",
        summary="Prometheus metrics",
        responses={(200, "text/plain"): OpenApiTypes.STR},
    )
    def get(self, request: Request) -> HttpResponse:
        response: HttpResponse = ExportToDjangoView(request)
        response.write(generate_latest(database_registry))
        return response
