"""Keep the first answer of an order as a whole, so that it can be given again."""

from decimal import Decimal

from django.db import migrations, models

# What has ended may not change; these columns are new to it. An order that was answered while it
# was partly filled is taken as answered in full: what it was then is not known any more.
FILL_IN = """
ALTER TABLE trading_order DISABLE TRIGGER USER;
UPDATE trading_order
SET answered_filled_size = filled_size, answered_average_price = average_price
WHERE filled_size > 0 AND accepted_as NOT IN ('PENDING_NEW', 'NEW', 'REJECTED');
ALTER TABLE trading_order ENABLE TRIGGER USER;
"""
# What a venue did may be booked by somebody else before the client is told.
GUARDS = """
DROP TRIGGER order_ended_is_final ON trading_order;
CREATE TRIGGER order_ended_is_final BEFORE UPDATE ON trading_order
    FOR EACH ROW WHEN (
        OLD.status NOT IN ('PENDING_NEW', 'NEW', 'PARTIALLY_FILLED')
        AND OLD.* IS DISTINCT FROM NEW.*
        AND (
            OLD.accepted_as <> 'PENDING_NEW'
            OR to_jsonb(OLD) - '{accepted_as,answered_filled_size,answered_average_price}'::text[]
            <> to_jsonb(NEW) - '{accepted_as,answered_filled_size,answered_average_price}'::text[]
        )
    )
    EXECUTE FUNCTION refuse_change('an order that has ended never changes again');
CREATE TRIGGER order_first_answer_stands
    BEFORE UPDATE OF accepted_as, answered_filled_size, answered_average_price ON trading_order
    FOR EACH ROW WHEN (
        OLD.accepted_as <> 'PENDING_NEW'
        AND (OLD.accepted_as, OLD.answered_filled_size, OLD.answered_average_price)
        IS DISTINCT FROM (NEW.accepted_as, NEW.answered_filled_size, NEW.answered_average_price)
    )
    EXECUTE FUNCTION refuse_change('what an order was answered first stands');
"""
FORMER = """
DROP TRIGGER order_first_answer_stands ON trading_order;
DROP TRIGGER order_ended_is_final ON trading_order;
CREATE TRIGGER order_ended_is_final BEFORE UPDATE ON trading_order
    FOR EACH ROW WHEN (
        OLD.status NOT IN ('PENDING_NEW', 'NEW', 'PARTIALLY_FILLED')
        AND OLD.* IS DISTINCT FROM NEW.*
    )
    EXECUTE FUNCTION refuse_change('an order that has ended never changes again');
"""


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0005_reached_orders"),
    ]

    operations = [
        migrations.AddField(
            model_name="order",
            name="answered_average_price",
            field=models.DecimalField(blank=True, decimal_places=8, max_digits=28, null=True),
        ),
        migrations.AddField(
            model_name="order",
            name="answered_filled_size",
            field=models.DecimalField(db_default=0, decimal_places=8, default=0, max_digits=28),
        ),
        migrations.RunSQL(FILL_IN, migrations.RunSQL.noop),
        migrations.RunSQL(GUARDS, FORMER),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("answered_average_price__isnull", True), ("answered_filled_size", 0)),
                    models.Q(
                        ("answered_filled_size__gt", 0),
                        ("answered_filled_size__lte", models.F("filled_size")),
                        ("answered_average_price__gt", 0),
                        ("answered_average_price__isnull", False),
                        ("answered_average_price__lte", Decimal("99999999999999999999.99999999")),
                    ),
                    _connector="OR",
                ),
                name="order_answered_fill_within_fill",
            ),
        ),
    ]
