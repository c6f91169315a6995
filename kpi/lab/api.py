"""Studies of the policy lab over the API, for staff and regulators; nothing is computed."""

from typing import Any, Final

from django.db.models import QuerySet
from django.http import HttpResponseBase, StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.access import must_be_staff
from kpi.lab.columns import as_csv
from kpi.lab.models import CellState, LabStudy, LabStudyCell
from kpi.lab.selectors import answer_of, get_study, places_of, progress_by_study, progress_of
from market.kernel.api.asked import PageQuery
from market.kernel.api.calls import Call, ListCall
from market.kernel.api.listing import LIST_ERRORS
from market.kernel.api.negotiation import SchemaNegotiation
from market.kernel.api.schema import errors


class PolicyFactsSerializer(serializers.Serializer[Any]):
    """A policy of a study, as it was when the study was stored."""

    name = serializers.CharField()
    canonical = serializers.CharField(help_text="The policy as TOML.")
    digest = serializers.CharField(help_text="SHA-256 of the canonical text.")
    cadence = serializers.IntegerField(help_text="Steps from one look at accounts to the next.")


class ProgressSerializer(serializers.Serializer[Any]):
    """How many cells are in which state."""

    total = serializers.IntegerField()
    queued = serializers.IntegerField()
    running = serializers.IntegerField()
    done = serializers.IntegerField()
    failed = serializers.IntegerField()


class StudySerializer(serializers.Serializer[LabStudy]):
    """A study, and how far it is."""

    study_id = serializers.IntegerField(source="pk")
    name = serializers.CharField()
    question = serializers.CharField(allow_blank=True)
    digest = serializers.CharField(help_text="SHA-256 of all that was asked.")
    baseline = serializers.CharField(help_text="The policy that others are compared with.")
    policies = PolicyFactsSerializer(many=True)
    created_at = serializers.DateTimeField()
    state = serializers.ChoiceField(
        choices=CellState.choices,
        source="progress.state",
        help_text="The most urgent state of its cells.",
    )
    cells = ProgressSerializer(source="progress")


class StudyDetailSerializer(StudySerializer):
    """A study with what it says; amounts are exact decimals as text."""

    canonical = serializers.CharField(help_text="All that determines the study, as text.")
    answer = serializers.CharField(
        allow_null=True, help_text="The comparison in one sentence, once there is one."
    )
    comparison = serializers.DictField(
        allow_null=True, help_text="Levels, paired differences with intervals, ranges, tails."
    )
    manifest = serializers.DictField(
        allow_null=True, help_text="What is needed to repeat the study."
    )


class CellSerializer(serializers.Serializer[LabStudyCell]):
    """A cell: one policy with one population on one reading of the tape."""

    policy = serializers.CharField()
    seed = serializers.IntegerField()
    variant = serializers.CharField()
    state = serializers.ChoiceField(choices=CellState.choices, source="cell.state")
    key = serializers.CharField(source="cell.key", help_text="SHA-256 of all that determines it.")
    digest = serializers.CharField(
        source="cell.digest", help_text="Of what was computed; empty before that."
    )
    cpu_seconds = serializers.FloatField(source="cell.cpu_seconds", allow_null=True)
    error = serializers.CharField(source="cell.error", help_text="Why it failed, if it did.")
    metrics = serializers.DictField(
        source="cell.metrics",
        allow_null=True,
        help_text="By name: exact decimals as text, counts as numbers, null for none.",
    )


STUDY: Final[dict[str, Any]] = {
    "study_id": 7,
    "name": "Leverage caps",
    "question": "What would lower caps have done in October 2025?",
    "digest": "3f0c2d1e" * 8,
    "baseline": "seed",
    "policies": [
        {
            "name": "seed",
            "canonical": "liquidation_threshold = 0.5\n",
            "digest": "9a4b5c6d" * 8,
            "cadence": 1,
        }
    ],
    "created_at": "2026-01-05T12:00:00Z",
    "state": "done",
    "cells": {"total": 40, "queued": 0, "running": 0, "done": 40, "failed": 0},
}
DIFFERENCE: Final = {
    "metric": "liquidated_notional",
    "policy": "esma",
    "variant": "ohlc",
    "n": 5,
    "mean": "-1250000.5",
    "median": "-1249000",
    "low": "-1310000",
    "high": "-1190000",
    "p": "0.0625",
    "p_holm": "0.0625",
    "variance_ratio": "0.02",
}
DETAIL: Final = {
    **STUDY,
    "canonical": 'name = "Leverage caps"\n',
    "answer": "Compared with seed, esma would have liquidated 1.25 M USDT less.",
    "comparison": {"baseline": "seed", "differences": [DIFFERENCE]},
    "manifest": {"seeds": [1, 2, 3, 4, 5]},
}
CELL: Final = {
    "policy": "esma",
    "seed": 1,
    "variant": "ohlc",
    "state": "done",
    "key": "5e6f7a8b" * 8,
    "digest": "c0d1e2f3" * 8,
    "cpu_seconds": 1.12,
    "error": "",
    "metrics": {"close_outs": 412, "bad_debt": "1520.25", "fund_ran_dry_at": None},
}


def example(name: str, value: Any) -> OpenApiExample:
    return OpenApiExample(
        name, value=value, response_only=True, status_codes=["200"], media_type="application/json"
    )


class StudyListView(ListCall[LabStudy]):
    """Studies, newest first."""

    serializer_class = StudySerializer
    queryset = LabStudy.objects.defer("canonical", "source", "comparison", "manifest")

    @extend_schema(
        tags=["lab"],
        operation_id="list_lab_studies",
        summary="Studies of the policy lab, newest first; for staff and regulators",
        responses={200: StudySerializer(many=True), **LIST_ERRORS},
        examples=[example("study", STUDY)],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        must_be_staff(request)
        return super().get(request, *args, **kwargs)

    def paginate_queryset(self, queryset: Any) -> Any:
        page = super().paginate_queryset(queryset)
        progress = progress_by_study(list(page or []))
        for study in page or []:
            study.progress = progress[study.pk]
        return page


class StudyView(Call):
    """One study."""

    @extend_schema(
        tags=["lab"],
        operation_id="get_lab_study",
        summary="A study with its comparison and manifest; for staff and regulators",
        responses={200: StudyDetailSerializer, **errors(400, 401, 403, 404, 429)},
        examples=[example("study", DETAIL)],
    )
    def get(self, request: Request, study_id: int) -> Response:
        must_be_staff(request)
        study: Any = get_study(study_id=study_id)
        study.progress, study.answer = progress_of(study), answer_of(study)
        return Response(StudyDetailSerializer(study).data)


class CsvRenderer(BaseRenderer):
    """Stands for CSV while the format of an answer is chosen; the view itself writes it."""

    media_type = "text/csv"
    format = "csv"


class CellQuery(PageQuery):
    format = serializers.ChoiceField(
        choices=["json", "csv"], required=False, help_text="Outweighs `Accept`."
    )


class CellListView(ListCall[LabStudyCell]):
    """The cells of a study."""

    queries = {"get": CellQuery()}
    serializer_class = CellSerializer
    renderer_classes = (JSONRenderer, CsvRenderer)
    content_negotiation_class = SchemaNegotiation

    @extend_schema(
        tags=["lab"],
        operation_id="list_lab_cells",
        summary="The cells of a study: pages of JSON, or all as CSV; for staff and regulators",
        description="`?format=csv` or `Accept: text/csv` answers all cells in their order, one "
        "line each, with a column for every metric.",
        responses={
            (200, "application/json"): CellSerializer(many=True),
            (200, "text/csv"): OpenApiTypes.STR,
            **LIST_ERRORS,
            **errors(404),
        },
        examples=[example("cell", CELL)],
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:  # type: ignore[override]
        must_be_staff(request)
        if request.accepted_renderer.format != "csv":
            return super().get(request, *args, **kwargs)
        rows = self.get_queryset().order_by("ordinal").iterator(chunk_size=100)
        return StreamingHttpResponse(as_csv(rows), content_type="text/csv; charset=utf-8")

    def finalize_response(
        self, request: Request, response: HttpResponseBase, *args: Any, **kwargs: Any
    ) -> Any:
        """Write all but the lines of CSV in JSON, whatever was asked for: errors, OPTIONS."""
        if not response.streaming:
            request.accepted_renderer = JSONRenderer()
            request.accepted_media_type = JSONRenderer.media_type
        return super().finalize_response(request, response, *args, **kwargs)  # type: ignore[arg-type]

    def get_queryset(self) -> QuerySet[LabStudyCell]:
        return places_of(get_study(study_id=self.kwargs["study_id"]))
