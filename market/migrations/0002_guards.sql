-- Refuses the statement or row that fired a trigger. The trigger's argument is the sentence that the
-- refusal says, and its name stands in the error as the constraint's.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        MESSAGE = coalesce(TG_ARGV[0], TG_TABLE_NAME || ' is append-only: post a correction instead'),
        ERRCODE = 'restrict_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME;
END $$;

CREATE TRIGGER price_halt_is_kept BEFORE DELETE OR TRUNCATE ON market_pricehalt
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change('a price halt is history and never deleted');
CREATE TRIGGER price_halt_is_fixed BEFORE UPDATE ON market_pricehalt
    FOR EACH ROW WHEN (
        OLD.* IS DISTINCT FROM NEW.* AND (
            OLD.released_at IS NOT NULL
            OR (OLD.id, OLD.instrument_id, OLD.mark_price, OLD.mark_source, OLD.price, OLD.source,
                OLD.collar, OLD.halted_at)
            IS DISTINCT FROM
               (NEW.id, NEW.instrument_id, NEW.mark_price, NEW.mark_source, NEW.price, NEW.source,
                NEW.collar, NEW.halted_at)
        )
    )
    EXECUTE FUNCTION refuse_change('a price halt is released once and never changes otherwise');

-- The newest candles change with every step: room on their pages spares the index.
ALTER TABLE market_keptcandle SET (fillfactor = 70);
