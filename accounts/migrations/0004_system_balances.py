"""Keep checkpoints of the insurance fund and of the bad debt beside the transfers they follow from.

Ids of transfers do not follow commits, so that no id can say up to where a checkpoint reaches: each
statement that moves such an account leaves a movement, and deleting movements folds them in.
"""

import django.db.models.deletion
from django.db import migrations, models

# As before, and a movement per system account that has a checkpoint.
APPLY = """
CREATE OR REPLACE FUNCTION apply_transfers_to_balances() RETURNS trigger LANGUAGE plpgsql AS $$
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
    {movements}
    RETURN NULL;
END $$;
"""
MOVEMENTS = """
    INSERT INTO accounts_systemmovement (system_balance_id, amount)
    SELECT kept.account_id,
           sum(CASE posted.credit_account_id WHEN kept.account_id THEN amount ELSE -amount END)
    FROM posted
    JOIN accounts_systembalance AS kept
        ON kept.account_id IN (posted.credit_account_id, posted.debit_account_id)
    GROUP BY kept.account_id;
"""
GUARDS = """
CREATE FUNCTION fold_movements() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE accounts_systembalance AS kept
    SET balance = kept.balance + gone.amount
    FROM (
        SELECT system_balance_id, sum(amount) AS amount FROM folded GROUP BY system_balance_id
    ) AS gone
    WHERE kept.account_id = gone.system_balance_id;
    RETURN NULL;
END $$;
CREATE TRIGGER movement_folds AFTER DELETE ON accounts_systemmovement
    REFERENCING OLD TABLE AS folded
    FOR EACH STATEMENT EXECUTE FUNCTION fold_movements();
CREATE TRIGGER movement_only_by_transfer BEFORE INSERT ON accounts_systemmovement
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0)
    EXECUTE FUNCTION refuse_change('a system account moves only by a transfer');
CREATE TRIGGER movement_is_fixed BEFORE UPDATE OR TRUNCATE ON accounts_systemmovement
    FOR EACH STATEMENT
    EXECUTE FUNCTION refuse_change('a movement is folded into its checkpoint, by deleting it');

CREATE TRIGGER system_balance_opens_empty BEFORE INSERT ON accounts_systembalance
    FOR EACH ROW WHEN (NEW.balance <> 0)
    EXECUTE FUNCTION refuse_change('a checkpoint begins at zero');
CREATE TRIGGER system_balance_only_by_folding BEFORE UPDATE ON accounts_systembalance
    FOR EACH ROW WHEN (OLD.* IS DISTINCT FROM NEW.* AND pg_trigger_depth() = 0)
    EXECUTE FUNCTION refuse_change('a checkpoint changes only by folding movements in');
CREATE TRIGGER system_balance_is_kept BEFORE DELETE OR TRUNCATE ON accounts_systembalance
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('a checkpoint is never deleted');
"""
DROP_GUARDS = """
DROP TRIGGER system_balance_is_kept ON accounts_systembalance;
DROP TRIGGER system_balance_only_by_folding ON accounts_systembalance;
DROP TRIGGER system_balance_opens_empty ON accounts_systembalance;
DROP TRIGGER movement_is_fixed ON accounts_systemmovement;
DROP TRIGGER movement_only_by_transfer ON accounts_systemmovement;
DROP TRIGGER movement_folds ON accounts_systemmovement;
DROP FUNCTION fold_movements;
"""
# No transfer may come in between the sum and the trigger that goes on from it.
FILL = """
LOCK TABLE accounts_transfer IN SHARE ROW EXCLUSIVE MODE;
INSERT INTO accounts_systembalance (account_id, balance)
SELECT account.id,
       coalesce((SELECT sum(amount) FROM accounts_transfer WHERE credit_account_id = account.id), 0)
       - coalesce((SELECT sum(amount) FROM accounts_transfer WHERE debit_account_id = account.id), 0)
FROM accounts_account AS account
WHERE account.kind IN ('insurance', 'bad_debt');
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_guards"),
    ]

    operations = [
        migrations.CreateModel(
            name="SystemBalance",
            fields=[
                (
                    "account",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="system_balance",
                        serialize=False,
                        to="accounts.account",
                    ),
                ),
                (
                    "balance",
                    models.DecimalField(decimal_places=8, default=0, editable=False, max_digits=28),
                ),
            ],
        ),
        migrations.CreateModel(
            name="SystemMovement",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("amount", models.DecimalField(decimal_places=8, max_digits=28)),
                (
                    "system_balance",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="movements",
                        to="accounts.systembalance",
                    ),
                ),
            ],
        ),
        migrations.RunSQL(FILL, migrations.RunSQL.noop),
        migrations.RunSQL(APPLY.format(movements=MOVEMENTS), APPLY.format(movements="")),
        migrations.RunSQL(GUARDS, DROP_GUARDS),
    ]
