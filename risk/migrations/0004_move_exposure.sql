-- Moves the rows that bookings of all accounts share, the last thing that a booking waits for, and
-- returns the total after it. ``moves`` names per instrument the mark that was decided on, null if on
-- none, and what is added; ``added`` is the whole in USDT, ``peak`` the most that an order which adds
-- risk lifted it by on the way, null without one. Each guard raises, so that a COMMIT sent behind
-- this one is never run: EX001 when a market step moved a mark, EX002 above the threshold.
CREATE FUNCTION move_exposure(moves jsonb, added numeric, peak numeric, threshold numeric)
RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE
    move record;
    after numeric;
BEGIN
    -- Foreign keys would else be checked at the commit, while others wait for the shared rows.
    SET CONSTRAINTS ALL IMMEDIATE;
    SET CONSTRAINTS ALL DEFERRED;
    -- In one order, so that two bookings cannot wait in a circle.
    FOR move IN
        SELECT * FROM jsonb_to_recordset(moves) AS one(
            instrument_id bigint, mark_price numeric,
            long_quantity numeric, short_quantity numeric, order_notional numeric
        ) ORDER BY instrument_id
    LOOP
        UPDATE risk_instrumentexposure AS exposure
        SET long_quantity = exposure.long_quantity + move.long_quantity,
            short_quantity = exposure.short_quantity + move.short_quantity,
            order_notional = exposure.order_notional + move.order_notional
        WHERE exposure.instrument_id = move.instrument_id
            AND (move.mark_price IS NULL OR exposure.mark_price = move.mark_price);
        IF NOT FOUND THEN
            RAISE EXCEPTION 'the mark was moved' USING ERRCODE = 'EX001';
        END IF;
    END LOOP;
    UPDATE risk_globalexposure SET total = total + added
    WHERE peak IS NULL OR total + peak <= threshold
    RETURNING total INTO after;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'global exposure would pass its threshold' USING ERRCODE = 'EX002';
    END IF;
    RETURN after;
END $$;
