"""Let an order only go forward and end once; keep orders, trades and liquidations as history."""

from decimal import Decimal

from django.db import migrations, models
from django.db.models.functions import Greatest
from django.db.models.lookups import LessThanOrEqual

LARGEST = Decimal("99999999999999999999.99999999")

APPEND_ONLY = """
DROP TRIGGER {table}_append_only ON {table};
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
"""
FORMER = """
DROP TRIGGER {table}_append_only ON {table};
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""

# The conditions stand in WHEN, so that an allowed change calls no function; a trigger OF columns
# is not even looked at by the statements that leave these columns alone.
ORDER_GUARDS = """
CREATE TRIGGER order_is_kept BEFORE DELETE OR TRUNCATE ON trading_order
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('an order is history and never deleted');
CREATE TRIGGER order_is_fixed BEFORE UPDATE OF
    account_id, instrument_id, symbol, client_order_id, fingerprint, side, type, size, price,
    leverage, reduce_only, liquidation, venue, required_margin, user_exposure_after,
    global_exposure_after, created_at
    ON trading_order
    FOR EACH ROW WHEN (
        (OLD.account_id, OLD.instrument_id, OLD.symbol, OLD.client_order_id, OLD.fingerprint,
         OLD.side, OLD.type, OLD.size, OLD.price, OLD.leverage, OLD.reduce_only, OLD.liquidation,
         OLD.venue, OLD.required_margin, OLD.user_exposure_after, OLD.global_exposure_after,
         OLD.created_at)
        IS DISTINCT FROM
        (NEW.account_id, NEW.instrument_id, NEW.symbol, NEW.client_order_id, NEW.fingerprint,
         NEW.side, NEW.type, NEW.size, NEW.price, NEW.leverage, NEW.reduce_only, NEW.liquidation,
         NEW.venue, NEW.required_margin, NEW.user_exposure_after, NEW.global_exposure_after,
         NEW.created_at)
    )
    EXECUTE FUNCTION refuse_change('an order keeps what was asked for and what was answered');
CREATE TRIGGER order_ended_is_final BEFORE UPDATE ON trading_order
    FOR EACH ROW WHEN (
        OLD.status NOT IN ('PENDING_NEW', 'NEW', 'PARTIALLY_FILLED')
        AND OLD.* IS DISTINCT FROM NEW.*
    )
    EXECUTE FUNCTION refuse_change('an order that has ended never changes again');
CREATE TRIGGER order_goes_forward BEFORE UPDATE OF status, filled_size ON trading_order
    FOR EACH ROW WHEN (
        NEW.filled_size < OLD.filled_size
        OR OLD.status <> 'PENDING_NEW' AND NEW.status IN ('PENDING_NEW', 'REJECTED')
            AND NEW.status <> OLD.status
        OR OLD.status = 'PARTIALLY_FILLED' AND NEW.status = 'NEW'
    )
    EXECUTE FUNCTION refuse_change('an order goes forward only: accepted, filled, ended');
"""
DROP_ORDER_GUARDS = """
DROP TRIGGER order_goes_forward ON trading_order;
DROP TRIGGER order_ended_is_final ON trading_order;
DROP TRIGGER order_is_fixed ON trading_order;
DROP TRIGGER order_is_kept ON trading_order;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_guards"),
        ("risk", "0005_guards"),
        ("market", "0005_guards"),
        ("trading", "0002_append_only"),
    ]

    operations = [
        migrations.AddConstraint(
            model_name="liquidation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    LessThanOrEqual(
                        Greatest(
                            "threshold",
                            "margin_ratio_before",
                            "margin_ratio_after",
                            "equity_before",
                            "equity_after",
                            "margin_before",
                            "margin_after",
                            "insurance_paid",
                            "bad_debt",
                        ),
                        models.Value(LARGEST),
                    )
                ),
                name="liquidation_amounts_are_numbers",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    LessThanOrEqual(
                        Greatest(
                            "size",
                            "price",
                            "filled_size",
                            "average_price",
                            "required_margin",
                            "reserved_margin",
                            "reserved_notional",
                            "user_exposure_after",
                            "global_exposure_after",
                        ),
                        models.Value(LARGEST),
                    )
                ),
                name="order_amounts_are_numbers",
            ),
        ),
        migrations.AddConstraint(
            model_name="trade",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    LessThanOrEqual(
                        Greatest("size", "price", "notional", "fee", "realized_pnl"),
                        models.Value(LARGEST),
                    )
                ),
                name="trade_amounts_are_numbers",
            ),
        ),
        migrations.RemoveConstraint(
            model_name="order",
            name="order_accepted_is_complete",
        ),
        migrations.RemoveConstraint(
            model_name="order",
            name="order_limit_has_price",
        ),
        migrations.RemoveConstraint(
            model_name="order",
            name="order_filled_within_size",
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status", "REJECTED"),
                    models.Q(
                        ("instrument__isnull", False),
                        ("size__gt", 0),
                        ("leverage__gte", 1),
                        ("leverage__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="order_accepted_is_complete",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("status", "REJECTED"),
                    models.Q(("type", "limit"), _negated=True),
                    models.Q(("price__gt", 0), ("price__isnull", False)),
                    _connector="OR",
                ),
                name="order_limit_has_price",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("filled_size", 0),
                    models.Q(
                        ("filled_size__gt", 0),
                        ("filled_size__lte", models.F("size")),
                        ("average_price__gt", 0),
                        ("average_price__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="order_filled_within_size",
            ),
        ),
        migrations.AddConstraint(
            model_name="liquidation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("margin_after__gte", 0),
                    ("margin_before__gt", 0),
                    ("margin_ratio_before__lte", models.F("threshold")),
                ),
                name="liquidation_began_in_breach",
            ),
        ),
        migrations.AddConstraint(
            model_name="liquidation",
            constraint=models.CheckConstraint(
                condition=models.Q(("mode__in", ["full", "largest_loss_first"])),
                name="liquidation_mode_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("reduce_only", False),
                    models.Q(("reserved_margin", 0), ("reserved_notional", 0)),
                    _connector="OR",
                ),
                name="order_reduce_only_reserves_nothing",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("type", "market"), _negated=True),
                    ("price__isnull", True),
                    _connector="OR",
                ),
                name="order_market_has_no_limit",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        models.Q(("status__in", ["PENDING_NEW", "NEW", "REJECTED"]), _negated=True),
                        ("filled_size__gt", 0),
                    ),
                    models.Q(
                        models.Q(("status__in", ["PARTIALLY_FILLED", "FILLED"]), _negated=True),
                        ("average_price__isnull", True),
                        ("filled_size", 0),
                    ),
                    _connector="OR",
                ),
                name="order_fill_matches_status",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "accepted_as__in",
                        [
                            "PENDING_NEW",
                            "NEW",
                            "PARTIALLY_FILLED",
                            "FILLED",
                            "CANCELED",
                            "REJECTED",
                            "EXPIRED",
                        ],
                    ),
                    ("venue__in", ["simulated", "binance_testnet"]),
                ),
                name="order_first_answer_and_venue_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="order",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("required_margin__gte", 0),
                    models.Q(
                        ("user_exposure_after__isnull", True),
                        ("user_exposure_after__gte", 0),
                        _connector="OR",
                    ),
                    models.Q(
                        ("global_exposure_after__isnull", True),
                        ("global_exposure_after__gte", 0),
                        _connector="OR",
                    ),
                ),
                name="order_answer_not_negative",
            ),
        ),
        migrations.AddConstraint(
            model_name="trade",
            constraint=models.CheckConstraint(
                condition=models.Q(("leverage__gte", 1)), name="trade_leverage_at_least_one"
            ),
        ),
        *(
            migrations.RunSQL(APPEND_ONLY.format(table=table), FORMER.format(table=table))
            for table in ("trading_trade", "trading_liquidation")
        ),
        migrations.RunSQL(ORDER_GUARDS, DROP_ORDER_GUARDS),
    ]
