"""Bodies of the token endpoint."""

from typing import Any

from rest_framework import serializers

from market.kernel.api.asked import BodySerializer


class TokenRequestSerializer(BodySerializer):
    """What a client shows to get a token."""

    api_key = serializers.CharField(max_length=200, trim_whitespace=False)


class TokenSerializer(serializers.Serializer[dict[str, Any]]):
    """A token and how long it is good for."""

    access_token = serializers.CharField(help_text="Send it as `Authorization: Bearer …`.")
    token_type = serializers.CharField(help_text="Always `bearer`.")
    expires_in = serializers.IntegerField(help_text="Seconds.")


#: One instance reads and writes every call: building the fields anew costs more than using them.
TOKEN_REQUEST, TOKEN = TokenRequestSerializer(), TokenSerializer()
