"""KPI, metrics and health endpoints."""

from datetime import timedelta

from django.http import HttpResponse
from django_prometheus.exports import ExportToDjangoView
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, PolymorphicProxySerializer, extend_schema
from prometheus_client import CollectorRegistry, generate_latest
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.errors import StaffOnly
from accounts.permissions import KpisOpen, RegulatorsRead
from kpi.collectors import DatabaseCollector
from kpi.examples import (
    HEALTH_EXAMPLE,
    HISTORY_EXAMPLE,
    INSTRUMENT_HISTORY_EXAMPLE,
    OUTAGE_EXAMPLE,
    SECURITY_EXAMPLE,
    SYSTEM_EXAMPLE,
    TRADING_EXAMPLE,
)
from kpi.health.parts import HealthStatus, check_health
from kpi.history.answers import get_security_kpis, get_system_kpis, get_trading_kpis
from kpi.history.figures import METRICS
from kpi.history.series import get_history
from kpi.history.windows import WINDOWS
from kpi.serializers import (
    HISTORIES,
    HealthSerializer,
    HistoryQuery,
    SecurityKpisSerializer,
    SystemKpisSerializer,
    TradingKpisSerializer,
    WindowQuery,
)
from market.errors import UnknownSymbol
from market.kernel.api.calls import Call
from market.kernel.api.negotiation import OneFormat
from market.kernel.api.schema import errors

#: While the account policy keeps the KPIs to staff.
CLOSED = errors(403, staff_only=StaffOnly.detail)

database_registry = CollectorRegistry()
database_registry.register(DatabaseCollector())


class KpiCall(Call):
    """What happened in a window."""

    permission_classes = (IsAuthenticated, RegulatorsRead, KpisOpen)
    queries = {"get": WindowQuery()}

    @property
    def window(self) -> timedelta | None:
        """The window that is asked for; None stands for all that was counted."""
        name = self.query.get("window")
        return WINDOWS[name].length if name else None


class SystemKpisView(KpiCall):
    """How the API performs."""

    @extend_schema(
        tags=["kpi"],
        operation_id="get_system_kpis",
        summary="Latency, error rate and uptime",
        responses={200: SystemKpisSerializer, **errors(400, 401, 429, 503), **CLOSED},
        examples=[SYSTEM_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        kpis = get_system_kpis(self.window)
        return Response(SystemKpisSerializer(kpis).data)


class TradingKpisView(KpiCall):
    """What was traded and what is at stake."""

    @extend_schema(
        tags=["kpi"],
        operation_id="get_trading_kpis",
        summary="Orders, trades, exposure and liquidations",
        responses={200: TradingKpisSerializer, **errors(400, 401, 429, 503), **CLOSED},
        examples=[TRADING_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        kpis = get_trading_kpis(self.window)
        return Response(TradingKpisSerializer(kpis).data)


class SecurityKpisView(KpiCall):
    """What was refused."""

    @extend_schema(
        tags=["kpi"],
        operation_id="get_security_kpis",
        summary="Refused credentials and reached rate limits",
        responses={200: SecurityKpisSerializer, **errors(400, 401, 429, 503), **CLOSED},
        examples=[SECURITY_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        kpis = get_security_kpis(self.window)
        return Response(SecurityKpisSerializer(kpis).data)


class HistoryView(Call):
    """How a KPI went."""

    permission_classes = (IsAuthenticated, RegulatorsRead, KpisOpen)
    queries = {"get": HistoryQuery()}

    @extend_schema(
        tags=["kpi"],
        operation_id="get_kpi_history",
        summary="A KPI over time, for a chart",
        description="Points are apart by `interval_seconds` and oldest first. A point is the "
        "interval that begins at its timestamp: counts are sums over it, levels their last value. "
        "`value` is null where it has no meaning, such as the latency of no request; an interval "
        "without a snapshot has no point. Metrics by instrument or tier have `series` instead of "
        "`points`.",
        responses={
            200: PolymorphicProxySerializer(
                component_name="KpiHistory",
                serializers=list(HISTORIES.values()),
                resource_type_field_name=None,
            ),
            **errors(400, 401, 429, 503),
            **CLOSED,
            **errors(404, unknown_symbol=UnknownSymbol.detail),
        },
        examples=[HISTORY_EXAMPLE, INSTRUMENT_HISTORY_EXAMPLE],
    )
    def get(self, request: Request) -> Response:
        history = get_history(**self.query)
        return Response(HISTORIES[METRICS[history.metric].by](history).data)


class HealthView(APIView):
    """Whether the exchange is there; for load balancers."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    content_negotiation_class = OneFormat

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


class MetricsView(APIView):
    """The metrics of all processes and of the database, for Prometheus."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    content_negotiation_class = OneFormat

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
