"""Django's engine for PostgreSQL: a cheaper look at the pool's connections, cursors for poolers."""
