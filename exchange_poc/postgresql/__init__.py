"""Django's engine for PostgreSQL, with a cheaper look at the connections of the pool."""
