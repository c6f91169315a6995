CREATE OR REPLACE FUNCTION columns_without_history() RETURNS text[] LANGUAGE sql IMMUTABLE
    RETURN '{password,last_login,first_name,last_name,email,'
           'mark_price,marked_at,mark_source,stepped_at,market_time,realized_range}'::text[];
