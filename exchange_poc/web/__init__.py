"""The web server: granian takes requests in, threads of its processes answer them.

``python -m exchange_poc.web`` runs it, for ``make run`` and in containers alike.
"""
