-- Locks the accounts of users, by id, so that two callers cannot wait for each other; returns each
-- with its user and the transaction's id. It waits for a locked one for as many milliseconds as
-- ``patience`` says; with 0 it leaves out those that are locked. For any other row the transaction
-- waits from then on for as many as ``afterwards`` says.
CREATE FUNCTION lock_accounts(owners bigint[], patience integer, afterwards integer)
RETURNS TABLE (id bigint, user_id bigint, transaction text) LANGUAGE plpgsql AS $$
BEGIN
    IF patience = 0 THEN
        RETURN QUERY SELECT a.id, a.user_id, pg_current_xact_id()::text FROM accounts_account AS a
            WHERE a.user_id = ANY(owners) ORDER BY a.id FOR NO KEY UPDATE SKIP LOCKED;
    ELSE
        PERFORM set_config('lock_timeout', patience::text, true);
        RETURN QUERY SELECT a.id, a.user_id, pg_current_xact_id()::text FROM accounts_account AS a
            WHERE a.user_id = ANY(owners) ORDER BY a.id FOR NO KEY UPDATE;
    END IF;
    PERFORM set_config('lock_timeout', afterwards::text, true);
END $$;
