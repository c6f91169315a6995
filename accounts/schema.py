"""How the OpenAPI document describes bearer tokens."""

from drf_spectacular.contrib.rest_framework_simplejwt import SimpleJWTScheme


class ApiKeyTokenScheme(SimpleJWTScheme):  # type: ignore[no-untyped-call]
    """Registers itself with drf-spectacular on import."""

    target_class = "accounts.authentication.ApiKeyTokenAuthentication"
    name = "bearerToken"
