-- As before, with what the account had sent up to the order.
DROP TRIGGER order_is_fixed ON trading_order;
CREATE TRIGGER order_is_fixed BEFORE UPDATE OF
    id, account_id, instrument_id, symbol, client_order_id, fingerprint, side, type, size, price,
    leverage, reduce_only, liquidation, venue, required_margin, user_exposure_after,
    global_exposure_after, sent_total, created_at
    ON trading_order
    FOR EACH ROW WHEN (
        (OLD.id, OLD.account_id, OLD.instrument_id, OLD.symbol, OLD.client_order_id,
         OLD.fingerprint, OLD.side, OLD.type, OLD.size, OLD.price, OLD.leverage, OLD.reduce_only, OLD.liquidation,
         OLD.venue, OLD.required_margin, OLD.user_exposure_after, OLD.global_exposure_after,
         OLD.sent_total, OLD.created_at)
        IS DISTINCT FROM
        (NEW.id, NEW.account_id, NEW.instrument_id, NEW.symbol, NEW.client_order_id,
         NEW.fingerprint, NEW.side, NEW.type, NEW.size, NEW.price, NEW.leverage, NEW.reduce_only, NEW.liquidation,
         NEW.venue, NEW.required_margin, NEW.user_exposure_after, NEW.global_exposure_after,
         NEW.sent_total, NEW.created_at)
    )
    EXECUTE FUNCTION refuse_change('an order keeps what was asked for and what was answered');
