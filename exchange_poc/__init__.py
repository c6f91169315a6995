"""Exchange POC: settings, URLs, Celery, the web server and the launcher."""
