"""The token endpoint."""

from django.conf import settings
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts import schema  # noqa: F401  (importing registers the security scheme)
from accounts.authentication import issue_token
from accounts.errors import InvalidApiKey
from accounts.keys import identify
from accounts.serializers import (
    TOKEN,
    TOKEN_REQUEST,
    TokenSerializer,
)
from accounts.throttling import TokenThrottle
from market.kernel.api.calls import Call
from market.kernel.api.schema import BODY_REFUSALS, errors

EXAMPLES = [
    OpenApiExample("demo key", value={"api_key": "beginner-key"}, request_only=True),
    OpenApiExample(
        "token",
        value={"access_token": "eyJhbGciOiJIUzI1NiIs…", "token_type": "bearer", "expires_in": 3600},
        response_only=True,
        status_codes=["200"],
    ),
]


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
        description="The token names the key: revoking the key ends it at once. "
        "10 requests a minute per address.",
        responses={
            200: TokenSerializer,
            **errors(400, **BODY_REFUSALS),
            **errors(401, invalid_api_key=InvalidApiKey.detail),
            **errors(429, 503),
        },
        examples=EXAMPLES,
    )
    def post(self, request: Request) -> Response:
        api_key = identify(key=self.read_body()["api_key"])
        token = {
            "access_token": issue_token(api_key),
            "token_type": "bearer",
            "expires_in": int(settings.ACCESS_TOKEN_LIFETIME.total_seconds()),
        }
        return Response(TOKEN.to_representation(token), headers={"Cache-Control": "no-store"})
