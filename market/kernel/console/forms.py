"""Forms of records: what services refused, the reason that all ask for, the version shown."""

from collections.abc import Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any, ClassVar, Final

from django import forms
from django.contrib.admin.widgets import AutocompleteSelect

from market.kernel.amounts import EXACT
from market.kernel.console.actions import ReasonField
from market.kernel.console.search import number_of
from market.kernel.versions import version_of

VERSION: Final = "version"
REASON: Final = "reason"


class ShortDecimalField(forms.DecimalField):
    """A decimal whose input shows no trailing zeros and no exponent."""

    def prepare_value(self, value: Any) -> Any:
        return f"{value.normalize(EXACT):f}" if isinstance(value, Decimal) else value


class RowSelect(AutocompleteSelect):
    """A search for a row; what is no key of any, in an address or a body, selects none."""

    def optgroups(self, name: str, value: Sequence[str], attr: Any = None) -> list[Any]:
        keys = [one for one in value if number_of(str(one)) is not None]
        return super().optgroups(name, keys, attr)


class RefusedForm(forms.ModelForm):
    """A form that says what a service refused when it was to be saved; empty is nothing."""

    refusal: ClassVar[str] = ""

    def clean(self) -> dict[str, Any] | None:
        if self.refusal:
            self.add_error(None, self.refusal)
        return super().clean()


class ReasonedForm(RefusedForm):
    """A form that asks why, and of which the reason alone is no change."""

    reason = ReasonField()

    @cached_property
    def changed_data(self) -> list[str]:
        return [name for name in super().changed_data if name not in {VERSION, REASON}]


class VersionedForm(ReasonedForm):
    """A form that carries the version of the row which it shows."""

    version = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["version"] = version_of(self.instance)
