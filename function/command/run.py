"""``python -m function run``: serve the model of MODEL_URI on PORT, as the container does.

gunicorn takes this process over; its settings are the function's environment variables.
"""

import argparse
import os
import sys

from function import default_model
from function.settings import Settings
from function.system.port import require_port

EXAMPLES = """\
examples:
  python -m function run
      the default model on http://localhost:8080
  MODEL_URI=gs://bucket/model.gguf PORT=9000 python -m function run
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add no arguments: settings are environment variables."""


def run(args: argparse.Namespace) -> int:
    settings = Settings.from_env()
    if not settings.model_uri:
        raise default_model.missing()
    require_port("0.0.0.0", settings.port)  # noqa: S104  as gunicorn does
    sys.stderr.write(f"Serving on http://localhost:{settings.port} (Ctrl-C stops)\n")
    command = [sys.executable, "-m", "gunicorn", "-c", "python:function.server.gunicorn_conf"]
    os.execv(sys.executable, command)  # noqa: S606  no shell: nothing needs one
