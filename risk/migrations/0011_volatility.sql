-- Bands as risk/volatility.py writes them: "range: share, range: share", ranges rising above zero,
-- shares falling between zero and one, no digit that says nothing.
CREATE FUNCTION are_volatility_bands(bands text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN bands = '' THEN true
        WHEN bands || ', ' !~ '^([0-4](\.\d{0,7}[1-9])?: 0\.\d{0,7}[1-9], ){1,8}$'
        THEN false
        ELSE NOT EXISTS (
            SELECT FROM (
                SELECT reach, share, lag(reach) OVER after AS lower, lag(share) OVER after AS higher
                FROM unnest(string_to_array(bands, ', ')) WITH ORDINALITY AS part (band, place),
                    CAST(split_part(band, ': ', 1) AS numeric) AS reach,
                    CAST(split_part(band, ': ', 2) AS numeric) AS share
                WINDOW after AS (ORDER BY place)
            ) AS listed
            WHERE reach = 0 OR reach <= lower OR share >= higher
        )
    END
$$;

ALTER TABLE risk_riskpolicy ADD CONSTRAINT risk_policy_bands_known
CHECK (are_volatility_bands(volatility_bands));
