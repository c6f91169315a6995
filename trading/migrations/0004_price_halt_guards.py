"""Keep the quotes that halted an instrument as history: what was refused never changes."""

from django.db import migrations

GUARDS = """
CREATE TRIGGER price_halt_is_kept BEFORE DELETE OR TRUNCATE ON market_pricehalt
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('a price halt is history and never deleted');
CREATE TRIGGER price_halt_is_fixed BEFORE UPDATE ON market_pricehalt
    FOR EACH ROW WHEN (
        OLD.* IS DISTINCT FROM NEW.* AND (
            OLD.released_at IS NOT NULL
            OR (OLD.id, OLD.instrument_id, OLD.mark_price, OLD.mark_source, OLD.price, OLD.source,
                OLD.collar, OLD.halted_at)
            IS DISTINCT FROM
               (NEW.id, NEW.instrument_id, NEW.mark_price, NEW.mark_source, NEW.price, NEW.source,
                NEW.collar, NEW.halted_at)
        )
    )
    EXECUTE FUNCTION refuse_change('a price halt is released once and never changes otherwise');
"""

DROP_GUARDS = """
DROP TRIGGER price_halt_is_fixed ON market_pricehalt;
DROP TRIGGER price_halt_is_kept ON market_pricehalt;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0003_guards"),
        ("market", "0007_price_halts"),
        ("accounts", "0003_guards"),
    ]

    operations = [migrations.RunSQL(GUARDS, DROP_GUARDS)]
