-- Ladders as risk/maintenance.py writes them: "SYMBOL cap: rate leveragex, …; SYMBOL …".
CREATE FUNCTION maintenance_ladders(ladders text)
RETURNS TABLE (symbol text, place bigint, cap numeric, rate numeric, leverage numeric, cumulative numeric)
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    -- What is taken off makes each bracket go on where the one below it ends.
    SELECT symbol, place, cap, rate, leverage,
           coalesce(sum(step) OVER (PARTITION BY symbol ORDER BY place), 0)
    FROM (
        SELECT split_part(ladder, ' ', 1) AS symbol, place, cap, rate,
               CAST(rtrim(split_part(bracket, ' ', 3), 'x') AS numeric) AS leverage,
               lag(cap) OVER below * (rate - lag(rate) OVER below) AS step
        FROM unnest(string_to_array(ladders, '; ')) AS ladder,
            unnest(string_to_array(substr(ladder, strpos(ladder, ' ') + 1), ', '))
                WITH ORDINALITY AS part (bracket, place),
            CAST(split_part(bracket, ': ', 1) AS numeric) AS cap,
            CAST(split_part(bracket, ' ', 2) AS numeric) AS rate
        WINDOW below AS (PARTITION BY ladder ORDER BY place)
    ) AS listed
$$;

-- Each symbol once and in order, caps and rates rising, leverage falling and 1 ÷ rate at most, no
-- digit that says nothing. Its names are bound here: a restored dump checks rows without a path.
CREATE FUNCTION are_maintenance_brackets(ladders text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN (
    SELECT CASE
        WHEN ladders = '' THEN true
        WHEN ladders || '; ' !~ '^([A-Z0-9]{2,20}( [1-9]\d*: 0\.\d*[1-9] [1-9]\d*x,)* [1-9]\d*: 0\.\d*[1-9] [1-9]\d*x; )+$'
        THEN false
        ELSE NOT EXISTS (
            SELECT FROM (
                SELECT place, cap, rate, leverage, lag(cap) OVER below AS lower_cap,
                       lag(rate) OVER below AS lower_rate, lag(leverage) OVER below AS higher
                FROM maintenance_ladders(ladders)
                WINDOW below AS (PARTITION BY symbol ORDER BY place)
            ) AS listed
            WHERE place > 12 OR cap >= 1e15 OR scale(rate) > 8 OR leverage > 32767
                OR cap <= lower_cap OR rate <= lower_rate OR leverage >= higher
                OR rate * leverage > 1
        ) AND NOT EXISTS (
            SELECT FROM (
                SELECT symbol, lag(symbol) OVER (ORDER BY place) AS former
                FROM unnest(string_to_array(ladders, '; ')) WITH ORDINALITY AS part (ladder, place),
                    split_part(ladder, ' ', 1) AS symbol
            ) AS named
            WHERE symbol COLLATE "C" <= former COLLATE "C"
        )
    END
);

ALTER TABLE risk_riskpolicy ADD CONSTRAINT risk_policy_brackets_known
CHECK (are_maintenance_brackets(maintenance_brackets));
