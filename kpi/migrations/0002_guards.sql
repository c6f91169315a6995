-- Details hold text alone, so that no reader can round or reformat what was hashed.
CREATE FUNCTION audit_text(facts jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(jsonb_object_agg(key, CASE jsonb_typeof(value)
        WHEN 'number' THEN trim_scale((value #>> '{}')::numeric)::text
        ELSE value #>> '{}' END), '{}')
    FROM jsonb_each(facts)
$$;

CREATE FUNCTION audit_capture(
    kind text, occurred_at timestamptz, actor bigint, concerns_user bigint, concerns_account bigint,
    reference text, details jsonb
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO kpi_auditrecord (
        kind, occurred_at, recorded_at, actor_id, user_id, account_id, reference, details,
        previous_hash, hash
    )
    SELECT audit_capture.kind, audit_capture.occurred_at, clock_timestamp(), actor,
        coalesce(concerns_user,
            (SELECT user_id FROM accounts_account WHERE id = concerns_account)),
        concerns_account, audit_capture.reference, audit_capture.details, '', ''
$$;

-- Facts, each captured as it is stored. The conditions stand in WHEN: an accepted order and a fill's
-- transfers call no function. kpi/audit/coverage.py looks for the same facts.
CREATE FUNCTION capture_order() RETURNS trigger LANGUAGE plpgsql SET timezone = 'UTC' AS $$
BEGIN
    PERFORM audit_capture(
        CASE NEW.status WHEN 'REJECTED' THEN 'order_rejected' ELSE 'order_expired' END,
        NEW.updated_at, NULL, NULL, NEW.account_id, 'order:' || NEW.id,
        audit_text(jsonb_build_object(
            'symbol', NEW.symbol, 'side', NEW.side, 'type', NEW.type, 'size', NEW.size,
            'price', NEW.price, 'leverage', NEW.leverage, 'reduce_only', NEW.reduce_only,
            'client_order_id', NEW.client_order_id, 'venue', NEW.venue, 'status', NEW.status,
            'reject_code', NEW.reject_code, 'reject_detail', NEW.reject_detail,
            'filled_size', NEW.filled_size, 'created_at', NEW.created_at
        ))
    );
    RETURN NULL;
END $$;
CREATE TRIGGER audit_refused_order AFTER INSERT ON trading_order
    FOR EACH ROW WHEN (NEW.status = 'REJECTED' OR NEW.status = 'EXPIRED' AND NEW.reject_code <> '')
    EXECUTE FUNCTION capture_order();
CREATE TRIGGER audit_ended_order AFTER UPDATE OF status ON trading_order
    FOR EACH ROW WHEN (
        NEW.status <> OLD.status
        AND (NEW.status = 'REJECTED' OR NEW.status = 'EXPIRED' AND NEW.reject_code <> '')
    )
    EXECUTE FUNCTION capture_order();

CREATE FUNCTION capture_liquidation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit_capture(
        'liquidation', NEW.created_at, NULL, NULL, NEW.account_id, 'liquidation:' || NEW.id,
        audit_text(to_jsonb(NEW) - '{id,account_id,created_at}'::text[])
    );
    RETURN NULL;
END $$;
CREATE TRIGGER audit_liquidation AFTER INSERT ON trading_liquidation
    FOR EACH ROW EXECUTE FUNCTION capture_liquidation();

CREATE FUNCTION capture_transfer() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit_capture(
        'balance_change', NEW.created_at, NEW.created_by_id, NULL,
        (SELECT id FROM accounts_account
         WHERE id IN (NEW.debit_account_id, NEW.credit_account_id)
         ORDER BY kind = 'user' DESC, kind = 'insurance' DESC LIMIT 1),
        'transfer:' || NEW.id,
        audit_text(to_jsonb(NEW) - '{id,created_by_id,created_at}'::text[])
    );
    RETURN NULL;
END $$;
CREATE TRIGGER audit_transfer AFTER INSERT ON accounts_transfer
    FOR EACH ROW WHEN (
        NEW.kind IN ('deposit', 'withdrawal', 'adjustment') OR NEW.created_by_id IS NOT NULL
    )
    EXECUTE FUNCTION capture_transfer();

CREATE FUNCTION capture_staff_action() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit_capture(
        'staff_action', NEW.action_time, NEW.user_id,
        CASE about.model WHEN 'accounts.user' THEN about.key
            WHEN 'accounts.apikey' THEN (SELECT user_id FROM accounts_apikey WHERE id = about.key)
            WHEN 'accounts.account' THEN
                (SELECT user_id FROM accounts_account WHERE id = about.key) END,
        CASE about.model WHEN 'accounts.account' THEN about.key END,
        'admin_log:' || NEW.id,
        jsonb_build_object(
            'action', (ARRAY['added', 'changed', 'deleted'])[NEW.action_flag],
            'model', about.model, 'object', NEW.object_id, 'object_name', NEW.object_repr,
            'message', NEW.change_message
        )
    )
    FROM (
        SELECT (SELECT app_label || '.' || model FROM django_content_type
                WHERE id = NEW.content_type_id) AS model,
            CASE WHEN NEW.object_id ~ '^[0-9]{1,18}$' THEN NEW.object_id::bigint END AS key
    ) AS about;
    RETURN NULL;
END $$;
CREATE TRIGGER audit_staff_action AFTER INSERT ON django_admin_log
    FOR EACH ROW EXECUTE FUNCTION capture_staff_action();

CREATE FUNCTION capture_suspension() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit_capture(
        'account_change', clock_timestamp(), NULL, NEW.user_id, NEW.id,
        'accounts.account:' || NEW.id,
        jsonb_build_object('before', jsonb_build_object('suspended', OLD.suspended::text),
                           'after', jsonb_build_object('suspended', NEW.suspended::text))
    );
    RETURN NULL;
END $$;
CREATE TRIGGER audit_suspension AFTER UPDATE OF suspended ON accounts_account
    FOR EACH ROW WHEN (OLD.suspended <> NEW.suspended) EXECUTE FUNCTION capture_suspension();

CREATE FUNCTION capture_api_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit_capture(
        'api_key_change', coalesce(NEW.revoked_at, NEW.created_at), NULL, NEW.user_id, NULL,
        'accounts.apikey:' || NEW.id,
        jsonb_build_object('change', CASE TG_OP WHEN 'INSERT' THEN 'issued' ELSE 'revoked' END,
                           'prefix', NEW.prefix, 'label', NEW.label)
    );
    RETURN NULL;
END $$;
CREATE TRIGGER audit_issued_key AFTER INSERT ON accounts_apikey
    FOR EACH ROW EXECUTE FUNCTION capture_api_key();
CREATE TRIGGER audit_revoked_key AFTER UPDATE OF revoked_at ON accounts_apikey
    FOR EACH ROW WHEN (OLD.revoked_at IS DISTINCT FROM NEW.revoked_at)
    EXECUTE FUNCTION capture_api_key();

CREATE FUNCTION capture_settlement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit_capture(
        'answer_settled', NEW.settled_at, NEW.settled_by_id, NULL,
        (SELECT account_id FROM trading_order WHERE id = NEW.order_id),
        'trading.parkedanswer:' || NEW.id,
        audit_text(to_jsonb(NEW) - '{id,settled_at,settled_by_id}'::text[])
    );
    RETURN NULL;
END $$;
CREATE TRIGGER audit_settlement AFTER UPDATE OF settled_at ON trading_parkedanswer
    FOR EACH ROW WHEN (OLD.settled_at IS NULL AND NEW.settled_at IS NOT NULL)
    EXECUTE FUNCTION capture_settlement();

CREATE FUNCTION capture_price_halt() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit_capture(
        'price_halt', NEW.halted_at, NULL, NULL, NULL, 'price_halt:' || NEW.id,
        audit_text(jsonb_build_object(
            'symbol', (SELECT symbol FROM market_instrument WHERE id = NEW.instrument_id),
            'mark_price', NEW.mark_price, 'mark_source', NEW.mark_source,
            'price', NEW.price, 'source', NEW.source, 'collar', NEW.collar
        ))
    );
    RETURN NULL;
END $$;
CREATE TRIGGER audit_price_halt AFTER INSERT ON market_pricehalt
    FOR EACH ROW EXECUTE FUNCTION capture_price_halt();

CREATE FUNCTION capture_manual_price() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM audit_capture(
        'price_set', NEW.created_at, NEW.created_by_id, NULL, NULL, 'manual_price:' || NEW.id,
        audit_text(jsonb_build_object(
            'symbol', (SELECT symbol FROM market_instrument WHERE id = NEW.instrument_id),
            'price', NEW.price, 'previous_price', NEW.previous_price, 'way', NEW.way,
            'beyond_collar', NEW.beyond_collar
        ))
    );
    RETURN NULL;
END $$;
CREATE TRIGGER audit_manual_price AFTER INSERT ON trading_manualprice
    FOR EACH ROW EXECUTE FUNCTION capture_manual_price();

-- Rows that staff configure: arguments are the model, the table of its history, and its primary key.
-- Deferred to the commit: by then the history says who did it, if a service did. What is written
-- past the services has no history and still gets its record. A history row is of this transaction
-- when it is visible and no older than its beginning.
CREATE FUNCTION capture_configuration() RETURNS trigger LANGUAGE plpgsql SET timezone = 'UTC' AS $$
DECLARE
    hidden constant text[] := '{password,last_login,first_name,last_name,email,'
        'mark_price,marked_at,mark_source,stepped_at}';
    before jsonb := CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) - hidden END;
    after jsonb := CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) - hidden END;
    key text := coalesce(after, before) ->> TG_ARGV[2];
    who bigint;
    known boolean;
BEGIN
    IF before = after THEN
        RETURN NULL;
    END IF;
    EXECUTE format(
        'SELECT history_user_id, true FROM %I AS history WHERE %I::text = $1 '
        'AND age(xmin) <= age(pg_current_xact_id()::xid) '
        'AND to_jsonb(history) @> $2 ORDER BY history_id DESC LIMIT 1', TG_ARGV[1], TG_ARGV[2]
    ) INTO who, known USING key, coalesce(after, before);
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
    );
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER audit_configuration AFTER INSERT OR DELETE OR UPDATE
    OF symbol, base_asset, quote_asset, tick_size, lot_size, min_notional, maker_fee_rate,
       taker_fee_rate, halted, price_collar
    ON market_instrument DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION capture_configuration('market.instrument', 'market_historicalinstrument', 'id');
CREATE CONSTRAINT TRIGGER audit_configuration AFTER INSERT OR DELETE OR UPDATE
    OF username, tier, is_active, is_staff, is_superuser
    ON accounts_user DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION capture_configuration('accounts.user', 'accounts_historicaluser', 'id');
CREATE CONSTRAINT TRIGGER audit_configuration AFTER INSERT OR DELETE OR UPDATE
    ON accounts_accountpolicy DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION capture_configuration(
        'accounts.accountpolicy', 'accounts_historicalaccountpolicy', 'id');
CREATE CONSTRAINT TRIGGER audit_configuration AFTER INSERT OR DELETE OR UPDATE
    ON risk_riskpolicy DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION capture_configuration('risk.riskpolicy', 'risk_historicalriskpolicy', 'id');
CREATE CONSTRAINT TRIGGER audit_configuration AFTER INSERT OR DELETE OR UPDATE
    ON risk_leveragelimit DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION capture_configuration('risk.leveragelimit', 'risk_historicalleveragelimit', 'tier');
CREATE CONSTRAINT TRIGGER audit_configuration AFTER INSERT OR DELETE OR UPDATE
    ON kpi_alertrule DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION capture_configuration('kpi.alertrule', 'kpi_historicalalertrule', 'id');

CREATE FUNCTION capture_rights() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    fact jsonb := CASE TG_OP WHEN 'INSERT' THEN to_jsonb(NEW) ELSE to_jsonb(OLD) END;
BEGIN
    PERFORM audit_capture(
        'rights_change', clock_timestamp(), NULL, (fact ->> 'user_id')::bigint, NULL,
        TG_TABLE_NAME || ':' || (fact ->> 'id'),
        jsonb_build_object(
            'change', CASE TG_OP WHEN 'INSERT' THEN 'granted' ELSE 'withdrawn' END,
            'group', (SELECT name FROM auth_group WHERE id = (fact ->> 'group_id')::bigint),
            'permission', (
                SELECT type.app_label || '.' || permission.codename
                FROM auth_permission AS permission
                JOIN django_content_type AS type ON type.id = permission.content_type_id
                WHERE permission.id = (fact ->> 'permission_id')::bigint
            )
        )
    );
    RETURN NULL;
END $$;
CREATE TRIGGER audit_rights AFTER INSERT OR DELETE ON accounts_user_groups
    FOR EACH ROW EXECUTE FUNCTION capture_rights();
CREATE TRIGGER audit_rights AFTER INSERT OR DELETE ON accounts_user_user_permissions
    FOR EACH ROW EXECUTE FUNCTION capture_rights();
CREATE TRIGGER audit_rights AFTER INSERT OR DELETE ON auth_group_permissions
    FOR EACH ROW EXECUTE FUNCTION capture_rights();

-- The only change of a record is its sealing, which changes nothing that was captured.
CREATE TRIGGER audit_record_is_captured BEFORE INSERT ON kpi_auditrecord
    FOR EACH ROW WHEN (pg_trigger_depth() = 0 OR NEW.sequence IS NOT NULL)
    EXECUTE FUNCTION refuse_change('an audit record is captured by a trigger, never written');
CREATE TRIGGER audit_record_is_fixed BEFORE UPDATE ON kpi_auditrecord
    FOR EACH ROW WHEN (
        OLD.sequence IS NOT NULL OR NEW.sequence IS NULL
        OR (OLD.id, OLD.kind, OLD.occurred_at, OLD.recorded_at, OLD.actor_id, OLD.user_id,
            OLD.account_id, OLD.reference, OLD.details)
        IS DISTINCT FROM
           (NEW.id, NEW.kind, NEW.occurred_at, NEW.recorded_at, NEW.actor_id, NEW.user_id,
            NEW.account_id, NEW.reference, NEW.details)
    )
    EXECUTE FUNCTION refuse_change('an audit record never changes');
CREATE TRIGGER audit_record_is_kept BEFORE DELETE OR TRUNCATE ON kpi_auditrecord
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('an audit record is never deleted');
CREATE TRIGGER audit_head_goes_forward BEFORE UPDATE ON kpi_audithead
    FOR EACH ROW WHEN (
        NEW.* IS DISTINCT FROM OLD.* AND (NEW.id <> OLD.id OR NEW.sequence <= OLD.sequence)
    )
    EXECUTE FUNCTION refuse_change('the head of the audit trail goes forward only');
CREATE TRIGGER audit_head_is_kept BEFORE DELETE OR TRUNCATE ON kpi_audithead
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('the head of the audit trail is one row, always');
