"""Let the database keep the ledger: append-only transfers, balances derived from them."""

from django.db import migrations

# A statement-level trigger sees all rows of one INSERT at once, so that a loss and the insurance
# cover that pays for it change the balance together.
LEDGER_GUARDS = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: post a correction instead', TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER transfer_append_only BEFORE UPDATE OR DELETE ON accounts_transfer
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

CREATE FUNCTION apply_transfers_to_balances() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE accounts_account AS account
    SET balance = account.balance + change.amount
    FROM (
        SELECT account_id, sum(amount) AS amount
        FROM (
            SELECT credit_account_id AS account_id, amount FROM posted
            UNION ALL
            SELECT debit_account_id, -amount FROM posted
        ) AS side
        GROUP BY account_id
    ) AS change
    WHERE account.id = change.account_id AND account.kind = 'user' AND change.amount <> 0;
    RETURN NULL;
END $$;

CREATE TRIGGER transfer_moves_balances AFTER INSERT ON accounts_transfer
    REFERENCING NEW TABLE AS posted
    FOR EACH STATEMENT EXECUTE FUNCTION apply_transfers_to_balances();

CREATE FUNCTION refuse_untransferred_balance() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a balance changes only by a transfer'
        USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER account_balance_only_by_transfer BEFORE UPDATE OF balance ON accounts_account
    FOR EACH ROW WHEN (OLD.balance IS DISTINCT FROM NEW.balance AND pg_trigger_depth() = 0)
    EXECUTE FUNCTION refuse_untransferred_balance();

CREATE TRIGGER account_opens_empty BEFORE INSERT ON accounts_account
    FOR EACH ROW WHEN (NEW.balance <> 0)
    EXECUTE FUNCTION refuse_untransferred_balance();
"""

DROP_LEDGER_GUARDS = """
DROP TRIGGER account_opens_empty ON accounts_account;
DROP TRIGGER account_balance_only_by_transfer ON accounts_account;
DROP TRIGGER transfer_moves_balances ON accounts_transfer;
DROP TRIGGER transfer_append_only ON accounts_transfer;
DROP FUNCTION refuse_untransferred_balance;
DROP FUNCTION apply_transfers_to_balances;
DROP FUNCTION refuse_change;
"""

SYSTEM_KINDS = ["external", "house", "fees", "insurance", "bad_debt"]


def create_system_rows(apps, schema_editor):
    account = apps.get_model("accounts", "Account")
    account.objects.bulk_create(account(kind=kind) for kind in SYSTEM_KINDS)
    apps.get_model("accounts", "AccountPolicy").objects.create(id=1)


class Migration(migrations.Migration):
    dependencies = [("accounts", "0001_initial")]

    operations = [
        migrations.RunSQL(LEDGER_GUARDS, DROP_LEDGER_GUARDS),
        migrations.RunPython(create_system_rows, migrations.RunPython.noop),
    ]
