"""Serve the aiohttp application of a module: python -m aiohttp_server MODULE."""

import importlib
import os
import sys

from aiohttp import web

if __name__ == "__main__":
    app = importlib.import_module(sys.argv[1]).app
    web.run_app(app, host="127.0.0.1", port=int(os.environ["PORT"]))
