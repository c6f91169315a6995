"""The base of every call: what it takes is declared, and all else is refused.

A call declares by method what it takes; one that declares nothing takes nothing. The OpenAPI
document derives from the same declarations::

    class OrderListView(ListCall):
        queries = {"get": OrderQuery(), "post": OwnerQuery()}
        bodies = {"post": OrderRequestSerializer()}

        def post(self, request: Request) -> Response:
            asked = self.read_body()
            must_be_owner(request, self.query.get("user_id"))

``OrderQuery`` is a QuerySerializer (of a list a PageQuery), the body's a BodySerializer. The query
is read before the method runs, and stands in ``self.query``; the body when ``read_body`` is called.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, ClassVar, Final, TypeVar

from django.db.models import Model
from rest_framework import generics
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from market.kernel.api.asked import NO_BODY, NO_QUERY, BodySerializer, PageQuery, QuerySerializer
from market.kernel.api.pagination import OnePage
from market.kernel.rows import Rows

FORMS: Final = ("application/x-www-form-urlencoded", "multipart/form-data")

M = TypeVar("M", bound=Model)


class Call(APIView):
    """A call that takes what it declares; one instance of each serializer reads every request."""

    queries: ClassVar[Mapping[str, QuerySerializer]] = {}
    bodies: ClassVar[Mapping[str, BodySerializer]] = {}

    #: The valid parameters of this request.
    query: dict[str, Any]

    def get_authenticators(self) -> Any:
        return made_once(tuple(self.authentication_classes))

    def get_permissions(self) -> Any:
        return made_once(tuple(self.permission_classes))

    def get_throttles(self) -> Any:
        return made_once(tuple(self.throttle_classes))

    def get_parsers(self) -> Any:
        return made_once(tuple(self.parser_classes))

    def get_renderers(self) -> Any:
        return made_once(tuple(self.renderer_classes))

    @property
    def allowed_methods(self) -> list[str]:
        view: Any = type(self)
        return methods_of(view)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Read the query, once it is known who asks. Raises UnknownParameter, ValidationError.

        A body that no method reads is refused here, by UnknownField.
        """
        super().initial(request, *args, **kwargs)
        method = method_of(request)
        if method == "options" or request.method not in self.allowed_methods:
            return  # it tells about the call, or 405 follows
        if method in self.queries or request.META.get("QUERY_STRING"):
            self.query = self.queries.get(method, NO_QUERY).run_validation(request.query_params)
        else:
            self.query = {}
        if method != "get" and method not in self.bodies:
            NO_BODY.run_validation(body_of(request))

    def read_body(self) -> dict[str, Any]:
        """Return the valid body of this request. Raises UnknownField, ValidationError."""
        request = self.request
        read: dict[str, Any] = self.bodies[method_of(request)].run_validation(body_of(request))
        return read


class ListCall(Call, generics.ListAPIView[M]):
    """A list in pages."""

    queries: ClassVar[Mapping[str, QuerySerializer]] = {"get": PageQuery()}

    #: What reads those of a page, in place of the ORM.
    rows: ClassVar[Rows[Any] | None] = None

    @property
    def filters(self) -> dict[str, Any]:
        """What narrows the list: the query without what turns its pages."""
        return {name: asked for name, asked in self.query.items() if name not in PAGE}


class WholeListCall(Call):
    """A list that is never long, in the shape of the others: one page holds all of it."""

    pagination_class = OnePage

    def whole_list(self, rows: list[Any]) -> Response:
        return self.pagination_class().get_paginated_response(rows)


PAGE: Final = set(PageQuery().fields)


@cache
def made_once(kinds: tuple[type, ...]) -> tuple[Any, ...]:
    """Return one of each kind that an answer is made with; none keeps anything of a request."""
    return tuple(kind() for kind in kinds)


@cache
def methods_of(view: Any) -> list[str]:
    """Return the methods that a view answers; HEAD is GET, as Django has it for each request."""
    answers: list[str] = view()._allowed_methods()
    if "GET" not in answers:
        return answers
    options = answers.index("OPTIONS")
    return [*answers[:options], "HEAD", *answers[options:]]


def method_of(request: Request) -> str:
    """Return the method by the name of what answers it: HEAD is GET without a body."""
    method = str(request.method).lower()
    return "get" if method == "head" else method


def body_of(request: Request) -> Any:
    """Return the body as it was sent; a form that holds nothing is none.

    Raises UnsupportedMediaType, ParseError.
    """
    if not request.content_type.startswith(FORMS):
        return request.data
    http_request = request._request
    if http_request.POST or http_request.FILES:
        raise UnsupportedMediaType(request.content_type)
    return {}
