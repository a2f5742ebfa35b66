"""Settings of gunicorn: one worker that owns the model, a thread per connection, no timeout that kills a stream."""

import gc
import signal
import sys
from types import FrameType
from typing import Any

from function.errors import SettingsError
from function.lifecycle.crash_loop import crash_loop_guard
from function.observability.log_format import configure_logging
from function.settings import Settings, Telemetry
from function.system.parent_watch import ParentWatch
from function.system.port import require_port

try:
    _settings = Settings.from_env()
except SettingsError as e:
    sys.exit(f"error: {e}")

gc.disable()  # until the worker has imported everything: collections would find nothing in a tenth of the time
crash_loop_guard()  # created before the fork, so that the workers share it
_parent_watch = ParentWatch()

wsgi_app = "function.main:app"
bind = f"0.0.0.0:{_settings.port}"
workers = 1
worker_class = "function.server.worker.TimeoutWorker"
# For the running request, those in the queue, and all others: probes, 429s, the page, and clients that send or read
# slowly, each of which holds a thread until its timeout. gunicorn creates threads only when it needs them.
threads = 1 + _settings.queue_size + 128
timeout = 0  # else gunicorn takes a frozen instance (Lambda, Cloud Run) for a hung one and discards the model
graceful_timeout = 6  # platforms kill after 10 s, and the exit takes time too
keepalive = 65  # seconds; longer than that of load balancers, so that they close first
raw_env = ["PYDANTIC_DISABLE_PLUGINS=__all__"]  # else pydantic looks for plugins in every installed package
control_socket_disable = True  # signals are the only way to control it
accesslog = None
loglevel = "error"  # its warnings quote malformed requests, which may contain a prompt


def on_starting(server: Any) -> None:
    """Exit with one sentence if the port cannot be opened; gunicorn itself tries for five seconds."""
    if server.master_pid:  # a new master that takes over the sockets of the old one
        return
    for address in server.cfg.address:
        if isinstance(address, tuple):
            try:
                require_port(*address[:2])
            except SettingsError as e:
                sys.exit(f"error: {e}")


def pre_fork(server: Any, worker: Any) -> None:
    """Prepare the pipe by which the worker notices the end of the master."""
    _parent_watch.install_handlers()


def post_fork(server: Any, worker: Any) -> None:
    """Leave the write end to the master; then start the load, before the server's imports."""
    from function.lifecycle.service import get_service

    _parent_watch.enter_worker()
    configure_logging(_settings.log_level, project=Telemetry.from_env().google_cloud_project)
    get_service().start()
    from function.engine import Engine  # noqa: F401  the load needs it now; beside the server's imports it would take longer


def post_worker_init(worker: Any) -> None:
    """Stop the service on a signal, so that streams end with an error, before gunicorn stops the worker."""
    from function.lifecycle.service import get_service

    gc.freeze()  # what is imported stays: no later collection needs to look at it
    gc.enable()
    service = get_service()
    _parent_watch.watch(service.stop)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        _stop_first(number, service.stop)
    signal.signal(signal.SIGABRT, signal.SIG_DFL)  # gunicorn's own handler would wait for streams to end


def _stop_first(number: signal.Signals, stop: Any) -> None:
    then = signal.getsignal(number)

    def handler(received: int, frame: FrameType | None) -> None:
        stop()
        if callable(then):
            then(received, frame)

    signal.signal(number, handler)
