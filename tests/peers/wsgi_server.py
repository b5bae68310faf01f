"""Serve the WSGI application of a module: python -m wsgi_server MODULE."""

import importlib
import os
import sys
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIServer, make_server


class _Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True


if __name__ == "__main__":
    application = importlib.import_module(sys.argv[1]).application
    make_server("127.0.0.1", int(os.environ["PORT"]), application, _Threads).serve_forever()
