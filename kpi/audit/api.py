"""The audit trail over the API, for staff and regulators."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import must_be_staff
from kpi.audit.models import AuditKind, AuditRecord
from kpi.audit.sealing import CHUNK, seal_records
from kpi.audit.selectors import EXPORTED, sealed_records
from market.kernel.api.asked import PageQuery
from market.kernel.api.calls import ListCall
from market.kernel.api.listing import LIST_ERRORS, filter_by
from market.kernel.api.pagination import LARGEST_ID

#: As the hash covers it; see ``kpi.audit.chain.moment``.
EXACT_TIME = "%Y-%m-%dT%H:%M:%S.%f+00:00"


class AuditQuery(PageQuery):
    """Filters of the audit trail."""

    kind = serializers.ChoiceField(choices=AuditKind.choices, required=False)
    user_id = serializers.IntegerField(
        required=False, min_value=1, max_value=LARGEST_ID, help_text="Whom it concerns."
    )
    since = serializers.DateTimeField(
        required=False, help_text="Occurred from this time on, ISO 8601."
    )
    until = serializers.DateTimeField(
        required=False, help_text="Occurred before this time, ISO 8601."
    )


class AuditRecordSerializer(serializers.Serializer[Any]):
    """A record with what its hash covers; every leaf of ``details`` is text or null."""

    sequence = serializers.IntegerField(help_text="Its place in the chain, from 1, without gaps.")
    kind = serializers.ChoiceField(choices=AuditKind.choices)
    occurred_at = serializers.DateTimeField(format=EXACT_TIME, help_text="The fact's own time.")
    recorded_at = serializers.DateTimeField(format=EXACT_TIME, help_text="By the database's clock.")
    actor_id = serializers.IntegerField(
        allow_null=True, help_text="The staff user, where the fact names one."
    )
    user_id = serializers.IntegerField(allow_null=True, help_text="Whom it concerns.")
    account_id = serializers.IntegerField(allow_null=True)
    reference = serializers.CharField(help_text="The fact, as kind:number (order:17).")
    details = serializers.DictField(help_text="Text, null, or objects of these.")
    previous_hash = serializers.CharField(help_text="Of the record before; zeros in the first.")
    hash = serializers.CharField(help_text="SHA-256 over the other fields as canonical JSON.")


class AuditView(ListCall[AuditRecord]):
    """The audit trail, newest first."""

    queries = {"get": AuditQuery()}

    serializer_class = AuditRecordSerializer

    @extend_schema(
        tags=["audit"],
        operation_id="list_audit_records",
        summary="The audit trail, newest first; for staff and regulators",
        responses={200: AuditRecordSerializer(many=True), **LIST_ERRORS},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        must_be_staff(request)
        seal_records(most=CHUNK)
        return super().get(request, *args, **kwargs)

    def paginate_queryset(self, queryset: Any) -> Any:
        """Turn pages by the place in the chain: a record may be sealed after a later one."""
        paginator: Any = self.paginator
        paginator.ordering = "-sequence"
        return super().paginate_queryset(queryset)

    def get_queryset(self) -> QuerySet[Any]:
        rows = filter_by(
            sealed_records(),
            time_field="occurred_at",
            keys_rise=False,  # a fact has its own time, whenever it is captured
            **self.filters,
        )
        return rows.values(*EXPORTED)
