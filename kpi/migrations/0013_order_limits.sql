-- As before, with the largest size and value of an order.
DROP TRIGGER audit_configuration ON market_instrument;
CREATE CONSTRAINT TRIGGER audit_configuration AFTER INSERT OR DELETE OR UPDATE
    OF symbol, base_asset, quote_asset, tick_size, lot_size, min_notional, max_order_size,
       max_order_value, maker_fee_rate, taker_fee_rate, halted, price_collar
    ON market_instrument DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
    EXECUTE FUNCTION capture_configuration('market.instrument', 'market_historicalinstrument', 'id');
