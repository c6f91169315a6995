"""Whatever changes a position, or lowers a balance, calls the account's bound into question."""

from django.db import migrations

CREATE = """
CREATE FUNCTION touch_position_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO risk_touchedaccount (account_id) VALUES (NEW.account_id);
    RETURN NULL;
END $$;
CREATE FUNCTION touch_own_account() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO risk_touchedaccount (account_id) VALUES (NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER risk_position_touches AFTER INSERT OR UPDATE ON risk_position
    FOR EACH ROW EXECUTE FUNCTION touch_position_account();
CREATE TRIGGER accounts_account_touches AFTER UPDATE OF balance ON accounts_account
    FOR EACH ROW WHEN (NEW.balance < OLD.balance) EXECUTE FUNCTION touch_own_account();
INSERT INTO risk_touchedaccount (account_id)
    SELECT DISTINCT account_id FROM risk_position WHERE status = 'OPEN';
"""
DROP = """
DROP TRIGGER accounts_account_touches ON accounts_account;
DROP TRIGGER risk_position_touches ON risk_position;
DROP FUNCTION touch_own_account;
DROP FUNCTION touch_position_account;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("risk", "0003_breach_bounds"),
        ("accounts", "0002_ledger_guards"),
    ]

    operations = [migrations.RunSQL(CREATE, DROP)]
