CREATE TRIGGER transfer_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON accounts_transfer
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Adds transfers to the balances of users, and as movements to the accounts that have a checkpoint.
-- Per statement, so that a loss and the insurance cover that pays for it come together.
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

    INSERT INTO accounts_systemmovement (system_balance_id, amount)
    SELECT kept.account_id,
           sum(CASE posted.credit_account_id WHEN kept.account_id THEN amount ELSE -amount END)
    FROM posted
    JOIN accounts_systembalance AS kept
        ON kept.account_id IN (posted.credit_account_id, posted.debit_account_id)
    GROUP BY kept.account_id;
    RETURN NULL;
END $$;
CREATE TRIGGER transfer_moves_balances AFTER INSERT ON accounts_transfer
    REFERENCING NEW TABLE AS posted
    FOR EACH STATEMENT EXECUTE FUNCTION apply_transfers_to_balances();

CREATE TRIGGER account_is_kept BEFORE DELETE OR TRUNCATE ON accounts_account
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('an account is never deleted');
CREATE TRIGGER account_owner_is_fixed BEFORE UPDATE OF id, kind, user_id ON accounts_account
    FOR EACH ROW WHEN (
        (OLD.id, OLD.kind, OLD.user_id) IS DISTINCT FROM (NEW.id, NEW.kind, NEW.user_id)
    )
    EXECUTE FUNCTION refuse_change('an account keeps its number, its kind and its owner');
CREATE TRIGGER account_opens_empty BEFORE INSERT ON accounts_account
    FOR EACH ROW WHEN (NEW.balance <> 0)
    EXECUTE FUNCTION refuse_change('a balance changes only by a transfer');
CREATE TRIGGER account_balance_only_by_transfer BEFORE UPDATE OF balance ON accounts_account
    FOR EACH ROW WHEN (OLD.balance IS DISTINCT FROM NEW.balance AND pg_trigger_depth() = 0)
    EXECUTE FUNCTION refuse_change('a balance changes only by a transfer');

-- Ids of transfers do not follow commits, so that no id can say up to where a checkpoint reaches:
-- deleting movements is what folds them in.
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

CREATE TRIGGER account_policy_is_kept BEFORE DELETE OR TRUNCATE ON accounts_accountpolicy
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('the account policy is one row, always');

CREATE TRIGGER api_key_is_fixed BEFORE UPDATE OF id, user_id, prefix, key_hash ON accounts_apikey
    FOR EACH ROW WHEN (
        (OLD.id, OLD.user_id, OLD.prefix, OLD.key_hash)
        IS DISTINCT FROM (NEW.id, NEW.user_id, NEW.prefix, NEW.key_hash)
    )
    EXECUTE FUNCTION refuse_change('an API key keeps its secret and its user: issue another one');
CREATE TRIGGER api_key_stays_revoked BEFORE UPDATE OF revoked_at ON accounts_apikey
    FOR EACH ROW WHEN (OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at)
    EXECUTE FUNCTION refuse_change('a revoked API key stays revoked: issue another one');
