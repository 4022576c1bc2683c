"""A tracking service in a process of its own: Django REST framework on SQLite, with the app that lies in a directory.

    python tracking_server.py DIRECTORY

The app is package ``tracking`` there: ``models.py`` and ``urls.py``. Its migrations are made and applied. The first
line printed is the port on 127.0.0.1; when stdin ends, the rows of every table are printed as JSON, and it ends.
"""

from __future__ import annotations

import json
import sys
import threading
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server


class Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


def configure(directory: Path) -> None:
    import django
    from django.conf import settings
    from django.core.management import call_command

    sys.path.insert(0, str(directory))
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(directory / "rows.sqlite"), "CONN_MAX_AGE": 0}
    settings.configure(
        ALLOWED_HOSTS=["127.0.0.1"],
        DATABASES={"default": {**database, "OPTIONS": {"timeout": 30}}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "rest_framework", "tracking"],
        MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
        ROOT_URLCONF="tracking.urls",
        SECRET_KEY="of a test",
        USE_TZ=True,
    )
    django.setup()
    call_command("check", fail_level="WARNING", stdout=sys.stderr)
    call_command("makemigrations", "tracking", verbosity=0)
    call_command("migrate", verbosity=0)
    # What was made is what the models say: nothing is left to migrate.
    call_command("makemigrations", "tracking", check_changes=True, verbosity=0)


def rows() -> dict[str, list[dict[str, Any]]]:
    from django.apps import apps

    found = apps.get_app_config("tracking").get_models()
    return {model.__name__: list(model.objects.order_by("pk").values()) for model in found}


def main() -> None:
    configure(Path(sys.argv[1]))
    from django.core.wsgi import get_wsgi_application

    with make_server("127.0.0.1", 0, get_wsgi_application(), Server, Quiet) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_port, flush=True)
        sys.stdin.read()
        print(json.dumps(rows(), default=str))
        server.shutdown()


if __name__ == "__main__":
    main()
