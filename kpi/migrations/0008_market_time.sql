-- Columns that no history of a configured row has: what is private, and what the market does. Another
-- one is added by replacing this function alone.
CREATE FUNCTION columns_without_history() RETURNS text[] LANGUAGE sql IMMUTABLE
    RETURN '{password,last_login,first_name,last_name,email,'
           'mark_price,marked_at,mark_source,stepped_at,market_time}'::text[];
CREATE OR REPLACE FUNCTION capture_configuration() RETURNS trigger
LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
    hidden constant text[] := columns_without_history();
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - hidden END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - hidden END;
    key text := coalesce(after, before) ->> TG_ARGV[2];
    who bigint;
    known boolean;
    reason text;
BEGIN
    IF before = after THEN
        RETURN NULL;
    END IF;
    EXECUTE format(
        'SELECT history_user_id, true, history_change_reason FROM %I AS history '
        'WHERE %I::text = $1 AND age(xmin) <= age(pg_current_xact_id()::xid) '
        'AND to_jsonb(history) @> $2 ORDER BY history_id DESC LIMIT 1', TG_ARGV[1], TG_ARGV[2]
    ) INTO who, known, reason USING key, coalesce(after, before);
    IF TG_OP = 'UPDATE' THEN
        SELECT jsonb_object_agg(name, before -> name), jsonb_object_agg(name, after -> name)
        INTO before, after
        FROM jsonb_object_keys(after) AS name WHERE before -> name IS DISTINCT FROM after -> name;
    END IF;
    PERFORM audit_capture(
        'configuration_change', clock_timestamp(), who,
        CASE TG_ARGV[0] WHEN 'accounts.user' THEN key::bigint END, NULL,
        TG_ARGV[0] || ':' || key,
        jsonb_build_object('before', audit_text(coalesce(before, '{}')),
                           'after', audit_text(coalesce(after, '{}')),
                           'change', lower(TG_OP), 'in_history', coalesce(known, false)::text)
        || CASE WHEN reason <> '' THEN jsonb_build_object('reason', reason) ELSE '{}' END
    );
    RETURN NULL;
END $$;
