"""Exchange POC: settings, URLs, Celery application and launcher."""
