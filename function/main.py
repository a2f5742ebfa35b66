"""The doors: ``chat`` for functions-framework, ``app`` for gunicorn and flask. Both are the same application."""

import os
import sys

from flask import Request
from werkzeug import Response

from function.app import create_app
from function.errors import SettingsError
from function.lifecycle.crash_loop import lives
from function.lifecycle.service import get_service
from function.observability.log_format import configure_logging
from function.settings import Telemetry
from function.system.parent_watch import ParentWatch

try:
    service = get_service()
except SettingsError as e:
    sys.exit(f"error: {e}")
configure_logging(service.settings.log_level, project=Telemetry.from_env().google_cloud_project)
app = create_app(service)

# functions-framework imports this in gunicorn's master and serves from a forked worker: the worker starts the load,
# the master never does. Without a fork (--debug, flask) the first request starts it.
lives()  # shared from here on
lifeline = ParentWatch()


def _before_fork() -> None:
    if service.status().state == "starting":  # otherwise this process serves, and forks for other reasons
        lifeline.install_handlers()


def _begin() -> None:
    if lifeline.enter_worker():
        service.start()
        lifeline.watch(service.stop)


os.register_at_fork(before=_before_fork, after_in_child=_begin)


def chat(request: Request) -> Response:
    """Answer any path and method by handing the request to the application and streaming what it says."""
    return Response.from_app(app.wsgi_app, request.environ, buffered=False)
