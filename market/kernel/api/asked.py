"""What a call is asked for, in its body and its query: what nobody declared is refused by name."""

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, ClassVar, Final

from rest_framework import serializers

from market.kernel.errors import Unknown, UnknownField, UnknownParameter

#: A client's names are quoted, and compared with the known ones, so far and no further.
MOST_NAMED: Final = 10
LONGEST_NAME: Final = 64
LONGEST_PAGE: Final = 500


class BodySerializer(serializers.Serializer[dict[str, Any]]):
    """The fields of a body. Raises UnknownField for any other."""

    refusal: ClassVar[type[Unknown]] = UnknownField

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            self.refuse_unknown(data)
        return super().to_internal_value(data)

    def refuse_unknown(self, sent: Iterable[str]) -> None:
        unknown = [name for name in sent if name not in self.fields]
        if unknown:
            raise self.refusal(hints_for(unknown, list(self.fields)))


class QuerySerializer(BodySerializer):
    """The parameters of a query, each given once. Raises UnknownParameter for any other."""

    refusal = UnknownParameter

    def to_internal_value(self, data: Any) -> Any:
        self.refuse_unknown(data)
        repeated = [name for name, values in data.lists() if len(values) > 1]
        if repeated:
            raise serializers.ValidationError(
                {name: ["Given more than once; which one counts?"] for name in repeated}
            )
        return super().to_internal_value(data)


class PageQuery(QuerySerializer):
    """Where a page of a list begins, and how long it is."""

    cursor = serializers.CharField(
        required=False, allow_blank=True, help_text="As `next` and `previous` name it."
    )
    page_size = serializers.IntegerField(
        required=False, min_value=1, max_value=LONGEST_PAGE, help_text="Left out: 50."
    )


class OwnerBody(BodySerializer):
    """Of whom a call is, for clients that always say it."""

    user_id = serializers.IntegerField(required=False, help_text="Yours; may be left out.")


class OwnerQuery(QuerySerializer, OwnerBody):
    """The same in the query."""


#: Of a call that declares none: all is refused.
NO_QUERY, NO_BODY = QuerySerializer(), BodySerializer()


def hints_for(unknown: Sequence[str], known: list[str]) -> dict[str, str]:
    """Return what was probably meant by the first ones of the names."""
    named = [name[:LONGEST_NAME] for name in unknown[:MOST_NAMED]]
    return {name: hint_for(name, known) for name in named}


def hint_for(name: str, known: list[str]) -> str:
    """Return the known name that is nearest, as a question; else what there is."""
    alike = {plain(one): one for one in known}
    nearest = get_close_matches(plain(name), alike, n=1)
    if nearest:
        return f"Did you mean {alike[nearest[0]]}?"
    return f"There is: {', '.join(known)}." if known else "This call takes none."


def plain(name: str) -> str:
    """Return a name as it sounds, however it is written: reduceOnly, reduce-only, REDUCE_ONLY."""
    return name.casefold().replace("_", "").replace("-", "")
