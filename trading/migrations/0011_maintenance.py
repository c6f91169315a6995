"""What close-outs by brackets were held against."""

from django.db import migrations
from django.db.models import F, Q

from market.migrations._shorthand import amount, are_numbers, check

#: Equity was below the maintenance of the positions.
BY_BRACKETS = Q(
    maintenance_before__isnull=False,
    maintenance_before__gt=F("equity_before"),
    maintenance_after__isnull=False,
    maintenance_after__gte=0,
)
IN_BREACH = (
    Q(margin_after__gte=0)
    & (
        Q(margin_before__gt=0, margin_ratio_before__isnull=False)
        & (Q(margin_ratio_before__lte=F("threshold")) | BY_BRACKETS)
        | Q(margin_before=0, margin_ratio_before=None) & (Q(equity_before__lt=0) | BY_BRACKETS)
    )
    & (BY_BRACKETS | Q(maintenance_before=None, maintenance_after=None))
)
NUMBERS = are_numbers(
    *("threshold", "margin_ratio_before", "margin_ratio_after", "equity_before", "equity_after"),
    *("margin_before", "margin_after", "maintenance_before", "maintenance_after"),
    *("insurance_paid", "bad_debt"),
)


class Migration(migrations.Migration):
    dependencies = [("trading", "0010_partial_close_out")]
    operations = [
        *(
            migrations.AddField("liquidation", name, amount(null=True, blank=True))
            for name in ("maintenance_before", "maintenance_after")
        ),
        migrations.RemoveConstraint("liquidation", "liquidation_began_in_breach"),
        migrations.AddConstraint("liquidation", check("liquidation_began_in_breach", IN_BREACH)),
        migrations.RemoveConstraint("liquidation", "liquidation_amounts_are_numbers"),
        migrations.AddConstraint("liquidation", check("liquidation_amounts_are_numbers", NUMBERS)),
    ]
