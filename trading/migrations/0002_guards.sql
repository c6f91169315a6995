CREATE TRIGGER trading_trade_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON trading_trade
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER trading_liquidation_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON trading_liquidation
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER manual_price_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON trading_manualprice
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('a price that a person set is history');

-- The conditions stand in WHEN, so that an allowed change calls no function; a trigger OF columns is
-- not even looked at by the statements that leave these columns alone.
CREATE TRIGGER order_is_kept BEFORE DELETE OR TRUNCATE ON trading_order
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('an order is history and never deleted');
CREATE TRIGGER order_is_fixed BEFORE UPDATE OF
    id, account_id, instrument_id, symbol, client_order_id, fingerprint, side, type, size, price,
    leverage, reduce_only, liquidation, venue, required_margin, user_exposure_after,
    global_exposure_after, created_at
    ON trading_order
    FOR EACH ROW WHEN (
        (OLD.id, OLD.account_id, OLD.instrument_id, OLD.symbol, OLD.client_order_id,
         OLD.fingerprint, OLD.side, OLD.type, OLD.size, OLD.price, OLD.leverage, OLD.reduce_only, OLD.liquidation,
         OLD.venue, OLD.required_margin, OLD.user_exposure_after, OLD.global_exposure_after,
         OLD.created_at)
        IS DISTINCT FROM
        (NEW.id, NEW.account_id, NEW.instrument_id, NEW.symbol, NEW.client_order_id,
         NEW.fingerprint, NEW.side, NEW.type, NEW.size, NEW.price, NEW.leverage, NEW.reduce_only, NEW.liquidation,
         NEW.venue, NEW.required_margin, NEW.user_exposure_after, NEW.global_exposure_after,
         NEW.created_at)
    )
    EXECUTE FUNCTION refuse_change('an order keeps what was asked for and what was answered');
CREATE TRIGGER order_goes_forward BEFORE UPDATE OF status, filled_size ON trading_order
    FOR EACH ROW WHEN (
        NEW.filled_size < OLD.filled_size
        OR OLD.status <> 'PENDING_NEW' AND NEW.status IN ('PENDING_NEW', 'REJECTED')
            AND NEW.status <> OLD.status
        OR OLD.status = 'PARTIALLY_FILLED' AND NEW.status = 'NEW'
    )
    EXECUTE FUNCTION refuse_change('an order goes forward only: accepted, filled, ended');
-- What a venue did may be booked, and the order end by it, before the client is told: the first
-- answer alone may still be noted then.
CREATE TRIGGER order_ended_is_final BEFORE UPDATE ON trading_order
    FOR EACH ROW WHEN (
        OLD.status NOT IN ('PENDING_NEW', 'NEW', 'PARTIALLY_FILLED')
        AND OLD.* IS DISTINCT FROM NEW.*
        AND (
            OLD.accepted_as <> 'PENDING_NEW'
            OR to_jsonb(OLD) - '{accepted_as,answered_filled_size,answered_average_price}'::text[]
            <> to_jsonb(NEW) - '{accepted_as,answered_filled_size,answered_average_price}'::text[]
        )
    )
    EXECUTE FUNCTION refuse_change('an order that has ended never changes again');
CREATE TRIGGER order_first_answer_stands
    BEFORE UPDATE OF accepted_as, answered_filled_size, answered_average_price ON trading_order
    FOR EACH ROW WHEN (
        OLD.accepted_as <> 'PENDING_NEW'
        AND (OLD.accepted_as, OLD.answered_filled_size, OLD.answered_average_price)
        IS DISTINCT FROM (NEW.accepted_as, NEW.answered_filled_size, NEW.answered_average_price)
    )
    EXECUTE FUNCTION refuse_change('what an order was answered first stands');

CREATE TRIGGER parked_answer_is_kept BEFORE DELETE OR TRUNCATE ON trading_parkedanswer
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('a parked answer is history and never deleted');
CREATE TRIGGER parked_answer_is_fixed BEFORE UPDATE ON trading_parkedanswer
    FOR EACH ROW WHEN (
        OLD.settled_at IS NOT NULL AND OLD.* IS DISTINCT FROM NEW.*
        OR (OLD.id, OLD.order_id, OLD.complaint, OLD.answer, OLD.executed_quantity, OLD.parked_at)
        IS DISTINCT FROM
           (NEW.id, NEW.order_id, NEW.complaint, NEW.answer, NEW.executed_quantity, NEW.parked_at)
    )
    EXECUTE FUNCTION refuse_change('a parked answer is settled once and otherwise stays as it came');
