"""The WSGI application that the web server runs."""

import os

import django

from market.kernel.api.requests import Handler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "exchange_poc.settings")
django.setup(set_prefix=False)

application = Handler()
