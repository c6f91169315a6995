"""Keep positions as history and the single rows of risk single and present."""

from decimal import Decimal

from django.db import migrations, models
from django.db.models.functions import Greatest
from django.db.models.lookups import LessThanOrEqual

LARGEST = Decimal("99999999999999999999.99999999")

GUARDS = """
CREATE TRIGGER position_is_kept BEFORE DELETE OR TRUNCATE ON risk_position
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('a position is history and never deleted');
CREATE TRIGGER position_is_fixed BEFORE UPDATE OF account_id, instrument_id, opened_at ON risk_position
    FOR EACH ROW WHEN (
        (OLD.account_id, OLD.instrument_id, OLD.opened_at)
        IS DISTINCT FROM (NEW.account_id, NEW.instrument_id, NEW.opened_at)
    )
    EXECUTE FUNCTION refuse_change('a position keeps its account, its instrument and its beginning');
CREATE TRIGGER position_closed_is_final BEFORE UPDATE ON risk_position
    FOR EACH ROW WHEN (OLD.status <> 'OPEN' AND OLD.* IS DISTINCT FROM NEW.*)
    EXECUTE FUNCTION refuse_change('a closed position never changes: the next fill opens a new row');

CREATE TRIGGER risk_policy_is_kept BEFORE DELETE OR TRUNCATE ON risk_riskpolicy
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('the risk policy is one row, always');
CREATE TRIGGER global_exposure_is_kept BEFORE DELETE OR TRUNCATE ON risk_globalexposure
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('global exposure is one row, always');
CREATE TRIGGER instrument_exposure_is_kept BEFORE DELETE OR TRUNCATE ON risk_instrumentexposure
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('exposure is reduced by fills, never deleted');
CREATE TRIGGER reservation_is_kept BEFORE DELETE OR TRUNCATE ON risk_marginaccount
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('reservations are released, never deleted');
"""

DROP_GUARDS = """
DROP TRIGGER reservation_is_kept ON risk_marginaccount;
DROP TRIGGER instrument_exposure_is_kept ON risk_instrumentexposure;
DROP TRIGGER global_exposure_is_kept ON risk_globalexposure;
DROP TRIGGER risk_policy_is_kept ON risk_riskpolicy;
DROP TRIGGER position_closed_is_final ON risk_position;
DROP TRIGGER position_is_fixed ON risk_position;
DROP TRIGGER position_is_kept ON risk_position;
"""


class Migration(migrations.Migration):
    dependencies = [("risk", "0004_touched_accounts"), ("accounts", "0003_guards")]

    operations = [
        migrations.AddConstraint(
            model_name="globalexposure",
            constraint=models.CheckConstraint(
                condition=models.Q(("total__lte", LARGEST)), name="global_exposure_is_a_number"
            ),
        ),
        migrations.AddConstraint(
            model_name="instrumentexposure",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    LessThanOrEqual(
                        Greatest("mark_price", "long_quantity", "short_quantity", "order_notional"),
                        models.Value(LARGEST),
                    )
                ),
                name="instrument_exposure_is_a_number",
            ),
        ),
        migrations.AddConstraint(
            model_name="marginaccount",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    LessThanOrEqual(
                        Greatest("reserved_margin", "reserved_notional"), models.Value(LARGEST)
                    )
                ),
                name="reservations_are_numbers",
            ),
        ),
        migrations.AddConstraint(
            model_name="position",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    LessThanOrEqual(
                        Greatest("quantity", "cost", "margin", "realized_pnl"),
                        models.Value(LARGEST),
                    )
                ),
                name="position_amounts_are_numbers",
            ),
        ),
        migrations.AddConstraint(
            model_name="riskpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    LessThanOrEqual(
                        Greatest(
                            "user_exposure_limit",
                            "global_exposure_threshold",
                            "liquidation_threshold",
                        ),
                        models.Value(LARGEST),
                    )
                ),
                name="risk_policy_limits_are_numbers",
            ),
        ),
        migrations.AddConstraint(
            model_name="position",
            constraint=models.CheckConstraint(
                condition=models.Q(("leverage__gte", 1)), name="position_leverage_at_least_one"
            ),
        ),
        migrations.RunSQL(GUARDS, DROP_GUARDS),
    ]
