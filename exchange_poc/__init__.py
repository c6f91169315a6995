"""Exchange POC: settings, URLs, Celery, the web server and the launcher."""

import gc

# Little of what a process loads is garbage, and whoever has this is about to load much.
gc.set_threshold(50_000, 20, 20)
