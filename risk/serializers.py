"""How positions and account statements look on the wire."""

from rest_framework import serializers

from market.kernel.api.answers import AnswerSerializer
from market.kernel.api.fields import AmountField
from risk.models import PositionStatus
from risk.statement import PositionLine, Statement


class PositionSerializer(AnswerSerializer[PositionLine]):
    """A position at its present mark price; amounts in USDT."""

    position_id = serializers.IntegerField()
    user_id = serializers.IntegerField()
    symbol = serializers.CharField()
    quantity = AmountField(help_text="Signed: a short position is negative.")
    entry_price = AmountField(allow_null=True, help_text="Average price; null once closed.")
    mark_price = AmountField()
    notional = AmountField(help_text="|quantity| × mark price.")
    margin = AmountField(help_text="Initial margin of the fills that opened it.")
    leverage = serializers.IntegerField(help_text="Leverage of the last opening fill.")
    unrealized_pnl = AmountField()
    realized_pnl = AmountField()
    maintenance_margin = AmountField(
        required=False,
        help_text="What it requires of equity, rounded up: by the bracket of its notional, or the "
        "liquidation threshold × margin where its instrument has none. Only of an open position, "
        "and where the policy holds positions to brackets.",
    )
    liquidation_price = AmountField(
        allow_null=True,
        help_text="Mark price at which the account's equity is what its positions require, the "
        "liquidation threshold × margin or maintenance by brackets, other marks unchanged; null "
        "when no positive price does.",
    )
    liquidated = serializers.BooleanField()
    status = serializers.ChoiceField(choices=PositionStatus.choices)
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)


class StatementSerializer(AnswerSerializer[Statement]):
    """An account at present mark prices; amounts in USDT."""

    user_id = serializers.IntegerField()
    username = serializers.CharField()
    tier = serializers.CharField()
    balance = AmountField()
    equity = AmountField(help_text="Balance + unrealised P&L.")
    unrealized_pnl = AmountField()
    margin_used = AmountField(help_text="Margin of positions + margin reserved by open orders.")
    available_margin = AmountField(help_text="Equity − margin used.")
    margin_ratio = AmountField(
        allow_null=True, help_text="Equity ÷ margin of positions; null without positions."
    )
    maintenance_margin = AmountField(
        required=False,
        help_text="What positions require of equity, which is closed out below it. Only where the "
        "policy holds them to brackets.",
    )
    exposure = AmountField(help_text="Notional of positions + notional of opening open orders.")
    suspended = serializers.BooleanField()
    positions = PositionSerializer(
        many=True,
        help_text="Open positions, and a liquidated one until its instrument is traded again.",
    )


#: One instance reads and writes every call: building the fields anew costs more than using them.
POSITION, STATEMENT = PositionSerializer(), StatementSerializer()
