"""Answers are written as REST framework writes them."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st
from rest_framework import serializers

from market.kernel.api.answers import AnswerSerializer

ZONES = st.sampled_from([UTC, timezone(timedelta(0)), timezone(timedelta(hours=5, minutes=30))])
MOMENTS = st.datetimes(timezones=ZONES)


@dataclass
class Happening:
    at: datetime | None


class Ours(AnswerSerializer[Happening]):
    at = serializers.DateTimeField()


class Theirs(serializers.Serializer[Happening]):
    at = serializers.DateTimeField()


OURS, THEIRS = Ours(), Theirs()


@given(MOMENTS | MOMENTS.map(lambda moment: moment.replace(microsecond=0)) | st.none())
def test_moments_are_written_in_utc(moment: datetime | None) -> None:
    happening = Happening(moment)
    assert OURS.to_representation(happening) == THEIRS.to_representation(happening)
