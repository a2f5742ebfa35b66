"""gunicorn's settings: one worker that owns the model, threads for those who wait, no timeout that kills a stream."""

import signal
import sys
from types import FrameType
from typing import Any

from function.errors import SettingsError
from function.lifecycle.crash_loop import lives
from function.observability.log_format import configure_logging
from function.settings import Settings, Telemetry
from function.system.parent_watch import ParentWatch

try:
    _settings = Settings.from_env()
except SettingsError as e:
    sys.exit(f"error: {e}")

lives()  # shared by the workers from here on
_lifeline = ParentWatch()

wsgi_app = "function.main:app"
bind = f"0.0.0.0:{_settings.port}"
workers = 1
worker_class = "infra.worker.ReportingWorker"
# The one served, those in the queue, and others: probes, 429s, the page, and clients that send or read slowly, each of
# whom holds one until its time is over. Threads that nobody needs are not made.
threads = 1 + _settings.queue_size + 128
timeout = 0  # a frozen instance (Lambda, Cloud Run) must not look like a hung one: that would throw the model away
graceful_timeout = 6  # platforms kill after 10 s; ending takes time too
keepalive = 65  # longer than the load balancers in front, so that they close first
control_socket_disable = True  # nobody is to steer it but by signals
accesslog = None
loglevel = "error"  # its warnings quote what it cannot read, which can be a prompt


def pre_fork(server: Any, worker: Any) -> None:
    """Have the worker hear of the master's end."""
    _lifeline.install_handlers()


def post_fork(server: Any, worker: Any) -> None:
    """Leave the line in the master's hand; then bring the model up, before what the server imports."""
    from function.lifecycle.service import get_service

    _lifeline.enter_worker()
    configure_logging(_settings.log_level, project=Telemetry.from_env().google_cloud_project)
    get_service().start()


def post_worker_init(worker: Any) -> None:
    """Tell the streams before gunicorn stops the worker."""
    from function.lifecycle.service import get_service

    service = get_service()
    _lifeline.watch(service.stop)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        _stop_first(number, service.stop)
    signal.signal(signal.SIGABRT, signal.SIG_DFL)  # gunicorn's own handler would wait for streams that nobody ends


def _stop_first(number: signal.Signals, stop: Any) -> None:
    then = signal.getsignal(number)

    def handler(received: int, frame: FrameType | None) -> None:
        stop()
        if callable(then):
            then(received, frame)

    signal.signal(number, handler)
