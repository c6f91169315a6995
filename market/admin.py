"""Mark prices of the past in the staff console."""

from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter

from market.kernel.console.figures import price_column, time_column
from market.kernel.console.filters import DayFilter
from market.kernel.console.pages import LargeRecordAdmin
from market.models import PriceTick


@admin.register(PriceTick)
class PriceTickAdmin(LargeRecordAdmin):
    list_display = (
        "id",
        time_column("created_at"),
        "instrument",
        price_column("price"),
        "source",
        time_column("market_time"),
    )
    list_filter = (
        ("instrument", RelatedDropdownFilter),
        ("source", ChoicesDropdownFilter),
        ("created_at", DayFilter),
    )
    list_select_related = ("instrument",)
    search_fields = ("instrument__symbol",)
    search_help_text = "Symbol"
    filled_by = "Each market step adds one for each instrument: run one under Clock."
