"""Scale-out tried: two web tiers and two Celery nodes on one PostgreSQL, behind PgBouncer.

``make scale-trial`` kills parts of it under load and compares what both tiers count; ``make test``
does not, since that takes minutes and needs PgBouncer.
"""
