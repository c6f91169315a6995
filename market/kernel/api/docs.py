"""The API's description of itself, made once per process, and the page that shows it."""

from functools import cache
from typing import Any

from django.http import HttpResponse
from django.urls import reverse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from market.kernel.api.negotiation import OneFormat, SchemaNegotiation


class RefusesInJson(APIView):
    """Refuses in JSON what it answers in another format; it is only read."""

    http_method_names = ("get", "head")

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        self.request.accepted_renderer = JSONRenderer()
        self.request.accepted_media_type = JSONRenderer.media_type
        return response


class SchemaView(RefusesInJson, SpectacularAPIView):
    """OpenAPI 3, as YAML or JSON, the same for everybody."""

    content_negotiation_class = SchemaNegotiation

    @extend_schema(exclude=True)
    def get(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        renderer = request.accepted_renderer
        charset = f"; charset={renderer.charset}" if renderer.charset else ""
        return HttpResponse(
            schema_bytes(renderer.media_type),
            content_type=renderer.media_type + charset,
            headers={"Content-Disposition": f'inline; filename="Exchange POC.{renderer.format}"'},
        )


class DocsView(RefusesInJson, SpectacularSwaggerView):
    """Swagger UI over the schema, from files of our own: no script stands in the page itself."""

    content_negotiation_class = OneFormat
    template_name = "docs.html"

    def _get_schema_url(self, request: Request) -> str:
        return reverse(self.url_name)


@cache
def schema_bytes(media_type: str) -> bytes:
    """Return the schema as the renderer of a media type writes it; it is the same for everybody."""
    [renderer] = [r() for r in SchemaView.renderer_classes if r.media_type == media_type]
    generator = SchemaGenerator()  # type: ignore[no-untyped-call]
    schema = generator.get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    written = renderer.render(schema, renderer_context={})
    return written if isinstance(written, bytes) else written.encode()
