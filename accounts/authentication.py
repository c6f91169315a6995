"""Who is calling: a JWT that names an API key, valid only while key and user are.

Each call holds to the key's terms, here, so that no view can forget them.
"""

import time
from functools import lru_cache
from typing import Any, Final

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import InvalidToken
from rest_framework_simplejwt.tokens import AccessToken, Token

from accounts.key_terms import must_allow
from accounts.keys import CallingKey, calling_key
from accounts.models import ApiKey, User

KEY_CLAIM = "key_id"
#: Tokens whose verified signature and claims a process remembers.
REMEMBERED: Final = 1024


def issue_token(api_key: ApiKey) -> str:
    """Return a signed access token of the key's user that names the key."""
    token = AccessToken()
    token["user_id"], token[KEY_CLAIM] = str(api_key.user_id), api_key.pk
    return str(token)


class ApiKeyTokenAuthentication(JWTAuthentication):
    """Reads ``Authorization: Bearer``; ``request.auth["key_id"]`` names the key.

    One query fetches key and user, so that revoking either ends the token at once. Raises as
    ``must_allow`` does of the key.
    """

    def authenticate(self, request: Request) -> tuple[Any, Token] | None:
        authenticated = super().authenticate(request)
        if authenticated is None:
            return None
        user: Any = authenticated[0]
        admit(user.calling_key, request._request)
        return authenticated

    def get_raw_token(self, header: bytes) -> bytes | None:
        """Return the token; the scheme before it is read in any case."""
        scheme, gap, token = header.partition(b" ")
        known = b"Bearer" if scheme.lower() == b"bearer" else scheme
        raw_token: bytes | None = super().get_raw_token(known + gap + token)
        return raw_token

    def get_validated_token(self, raw_token: bytes) -> Token:
        """Return the token of a request. Raises InvalidToken, once it has expired too."""
        token = verified(raw_token)
        is_current: bool = token["exp"] > time.time()
        return token if is_current else super().get_validated_token(raw_token)

    def get_user(self, validated_token: Token) -> User:  # type: ignore[override]
        key_id, user_id = validated_token.get(KEY_CLAIM), validated_token.get("user_id")
        if not isinstance(key_id, int):
            raise InvalidToken("The token names no API key.")
        key = calling_key(key_id=key_id)
        if key is None or str(key.user.pk) != str(user_id):
            raise InvalidToken("The API key of this token is revoked or its user not active.")
        return key.user


def admit(key: CallingKey, request: HttpRequest) -> None:
    """Let a key make a request, and note on it whose it is. Raises as ``must_allow`` does."""
    request.api_user_id, request.api_key_id = key.user.pk, key.pk  # type: ignore[attr-defined]
    must_allow(key.terms, request)


@lru_cache(maxsize=REMEMBERED)
def verified(raw_token: bytes) -> Token:
    """Return a token whose signature and claims are right, which never changes but by its expiry.

    Raises InvalidToken, which is not remembered.
    """
    token: Token = JWTAuthentication().get_validated_token(raw_token)
    return token
