"""Bodies of the token and the ledger endpoint."""

from typing import Any

from rest_framework import serializers

from accounts.models import TransferKind
from accounts.selectors import LedgerLine
from market.kernel.api.answers import AnswerSerializer
from market.kernel.api.asked import BodySerializer
from market.kernel.api.fields import AmountField


class TokenRequestSerializer(BodySerializer):
    """What a client shows to get a token."""

    api_key = serializers.CharField(max_length=200, trim_whitespace=False)


class TokenSerializer(serializers.Serializer[dict[str, Any]]):
    """A token and how long it is good for."""

    access_token = serializers.CharField(help_text="Send it as `Authorization: Bearer …`.")
    token_type = serializers.CharField(help_text="Always `bearer`.")
    expires_in = serializers.IntegerField(help_text="Seconds.")


class LedgerLineSerializer(AnswerSerializer[LedgerLine]):
    """A transfer of an account, as its owner sees it."""

    transfer_id = serializers.IntegerField()
    user_id = serializers.IntegerField()
    kind = serializers.ChoiceField(choices=TransferKind.choices)
    amount = AmountField(help_text="USDT; negative where the account pays.")
    order_id = serializers.IntegerField(
        allow_null=True, help_text="The order whose fill it belongs to."
    )
    liquidation_id = serializers.IntegerField(
        allow_null=True, help_text="The close-out that it belongs to."
    )
    reason = serializers.CharField(
        allow_null=True, help_text="Why; null where there is none, and where staff wrote it."
    )
    created_at = serializers.DateTimeField()


#: One instance reads and writes every call: building the fields anew costs more than using them.
TOKEN_REQUEST, LEDGER_LINE = TokenRequestSerializer(), LedgerLineSerializer()
