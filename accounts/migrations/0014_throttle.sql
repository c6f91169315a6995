-- Lets accounts only reduce because of what the throttle of repeated execution counted, each with
-- that for its reason in the audit trail; nobody did it. What the caller told the trail, who and why,
-- holds on after it. The caller holds their locks.
CREATE FUNCTION throttle_accounts(held json) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    one record;
    actor text := coalesce(current_setting('exchange.actor', true), '');
    reason text := coalesce(current_setting('exchange.reason', true), '');
BEGIN
    FOR one IN SELECT * FROM json_to_recordset(held)
        AS one(account_id bigint, throttled text, fills_before bigint) ORDER BY account_id
    LOOP
        PERFORM set_config('exchange.actor', '', true),
            set_config('exchange.reason', 'Throttle of repeated execution: ' || one.throttled, true);
        UPDATE accounts_account
        SET reducing = true, throttled = one.throttled, fills_before = one.fills_before
        WHERE id = one.account_id;
    END LOOP;
    PERFORM set_config('exchange.actor', actor, true), set_config('exchange.reason', reason, true);
END $$;
