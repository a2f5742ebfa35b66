"""Entry points: ``chat`` for functions-framework, ``app`` for gunicorn and flask. Both are the same application."""

import os
import sys

from flask import Request
from werkzeug import Response

from function.app import create_app
from function.errors import SettingsError
from function.lifecycle.crash_loop import crash_loop_guard
from function.lifecycle.service import get_service
from function.observability.log_format import configure_logging
from function.settings import Telemetry
from function.system.parent_watch import ParentWatch

try:
    service = get_service()
except SettingsError as e:
    sys.exit(f"error: {e}")
_telemetry = Telemetry.from_env()
configure_logging(
    service.settings.log_level,
    project=_telemetry.google_cloud_project,
    lambda_function=_telemetry.aws_lambda_function_name,
)
app = create_app(service)

# functions-framework imports this module in gunicorn's master and serves from a forked worker. The worker starts the
# load, the master never does. Without a fork (--debug, flask) the first request starts it.
crash_loop_guard()  # created before the fork, so that the workers share it
parent_watch = ParentWatch()


def _before_fork() -> None:
    if service.status().state == "starting":  # else this process serves, and the fork is not a worker
        parent_watch.install_handlers()


def _after_fork() -> None:
    if parent_watch.enter_worker():
        service.start()
        parent_watch.watch(service.stop)


os.register_at_fork(before=_before_fork, after_in_child=_after_fork)


def chat(request: Request) -> Response:
    """Pass a request to the application, whatever its path and method, and stream the response."""
    return Response.from_app(app.wsgi_app, request.environ, buffered=False)
