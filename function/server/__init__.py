"""The production server: gunicorn's settings and its worker."""
