"""stub"""

from typing import Any

from rest_framework import serializers

from market.fields import AmountField


class PriceSerializer(serializers.Serializer[Any]):
    symbol = serializers.CharField()
    price = AmountField(source="mark_price")
    timestamp = serializers.DateTimeField(source="marked_at")
    source = serializers.CharField(source="mark_source")
