"""Writes answers: what each field reads of an object, and how it writes that, is found out once."""

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from operator import attrgetter
from typing import Any, TypeVar

from rest_framework import serializers

T = TypeVar("T")


class AnswerSerializer(serializers.Serializer[T]):
    """A serializer of plain attributes, which writes them in half the time of REST framework.

    That looks at each field, each time, for what these have not: items of dictionaries, methods
    that are called, related rows that are missing. A field that is not required is left out where
    there is no value.
    """

    def to_representation(self, instance: T) -> dict[str, Any]:
        return {
            name: None if value is None else write(value)
            for name, read, write, always in self._columns
            if (value := read(instance)) is not None or always
        }

    @cached_property
    def _columns(self) -> list[tuple[str, Callable[[Any], Any], Callable[[Any], Any], bool]]:
        return [
            (name, reader_of(field), writer_of(field), field.required or field.read_only)
            for name, field in self.fields.items()
            if not field.write_only
        ]


def reader_of(field: serializers.Field[Any, Any, Any, Any]) -> Callable[[Any], Any]:
    """Return what reads a field's value of an object; a source of ``*`` is the object itself."""
    return attrgetter(str(field.source)) if field.source != "*" else lambda instance: instance


def writer_of(field: serializers.Field[Any, Any, Any, Any]) -> Callable[[Any], Any]:
    """Return what writes a field's value.

    For each moment REST framework looks for a time zone and a format: here both are in UTC.
    """
    write: Callable[[Any], Any] = field.to_representation
    if type(field) is not serializers.DateTimeField or hasattr(field, "format"):
        return write

    def write_moment(moment: datetime) -> Any:
        return f"{moment.isoformat()[:-6]}Z" if moment.tzinfo is UTC else write(moment)

    return write_moment
