"""Refuse what the ledger never does: truncated transfers, moved accounts, revived API keys."""

from decimal import Decimal

from django.db import migrations, models

LARGEST = Decimal("99999999999999999999.99999999")

# A trigger's argument is the sentence that its refusal says; the error names the trigger as the
# constraint. Both functions stay callable as before, so that there is nothing to reverse.
REFUSALS = """
CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        MESSAGE = coalesce(TG_ARGV[0], TG_TABLE_NAME || ' is append-only: post a correction instead'),
        ERRCODE = 'restrict_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME;
END $$;

CREATE OR REPLACE FUNCTION refuse_untransferred_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        MESSAGE = 'a balance changes only by a transfer',
        ERRCODE = 'restrict_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME;
END $$;
"""

GUARDS = """
DROP TRIGGER transfer_append_only ON accounts_transfer;
CREATE TRIGGER transfer_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON accounts_transfer
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TRIGGER account_is_kept BEFORE DELETE OR TRUNCATE ON accounts_account
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('an account is never deleted');
CREATE TRIGGER account_owner_is_fixed BEFORE UPDATE OF kind, user_id ON accounts_account
    FOR EACH ROW WHEN ((OLD.kind, OLD.user_id) IS DISTINCT FROM (NEW.kind, NEW.user_id))
    EXECUTE FUNCTION refuse_change('an account keeps its kind and its owner');

CREATE TRIGGER account_policy_is_kept BEFORE DELETE OR TRUNCATE ON accounts_accountpolicy
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('the account policy is one row, always');

CREATE TRIGGER api_key_is_fixed BEFORE UPDATE OF user_id, prefix, key_hash ON accounts_apikey
    FOR EACH ROW WHEN (
        (OLD.user_id, OLD.prefix, OLD.key_hash) IS DISTINCT FROM (NEW.user_id, NEW.prefix, NEW.key_hash)
    )
    EXECUTE FUNCTION refuse_change('an API key keeps its secret and its user: issue another one');
CREATE TRIGGER api_key_stays_revoked BEFORE UPDATE OF revoked_at ON accounts_apikey
    FOR EACH ROW WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)
    EXECUTE FUNCTION refuse_change('a revoked API key stays revoked: issue another one');
"""

DROP_GUARDS = """
DROP TRIGGER api_key_stays_revoked ON accounts_apikey;
DROP TRIGGER api_key_is_fixed ON accounts_apikey;
DROP TRIGGER account_policy_is_kept ON accounts_accountpolicy;
DROP TRIGGER account_owner_is_fixed ON accounts_account;
DROP TRIGGER account_is_kept ON accounts_account;
DROP TRIGGER transfer_append_only ON accounts_transfer;
CREATE TRIGGER transfer_append_only BEFORE UPDATE OR DELETE ON accounts_transfer
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_ledger_guards")]

    operations = [
        migrations.AddConstraint(
            model_name="accountpolicy",
            constraint=models.CheckConstraint(
                condition=models.Q(("opening_balance__lte", LARGEST)),
                name="account_policy_is_a_number",
            ),
        ),
        migrations.AddConstraint(
            model_name="transfer",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__lte", LARGEST)), name="transfer_is_a_number"
            ),
        ),
        migrations.RunSQL(REFUSALS, migrations.RunSQL.noop),
        migrations.RunSQL(GUARDS, DROP_GUARDS),
    ]
