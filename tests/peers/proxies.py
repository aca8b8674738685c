"""Proxies as people put them in front of an API, with what their packages have as defaults, where that works."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from bench.processes import free_port
from tests.parts import require
from tests.patience import PATIENCE_SECONDS
from tests.peers.clients import node_script

NGINX = """\
daemon off;
pid {home}/nginx.pid;
error_log {home}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy;
  fastcgi_temp_path {home}/fastcgi; uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  gzip on; gzip_types *;
  server {{
    listen 127.0.0.1:{port};
    location / {{ proxy_pass http://127.0.0.1:{api_port}; }}
    location /hop/ {{
      proxy_pass http://127.0.0.1:{api_port}/;
      proxy_http_version 1.1;
      proxy_set_header X-Forwarded-Prefix /hop;
    }}
  }}
}}
"""
HAPROXY = """\
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend in
  bind 127.0.0.1:{port}
  default_backend api
backend api
  compression algo gzip
  compression type text/event-stream text/plain application/json
  server api 127.0.0.1:{api_port}
"""
# It drops a connection that answers before it has looked for the end of a request, unless it has all of that by then.
CADDY = """\
{{
  admin off
  auto_https off
  storage file_system {home}/caddy
}}
http://127.0.0.1:{port} {{
  encode gzip
  reverse_proxy 127.0.0.1:{api_port} {{
    buffer_requests
  }}
}}
"""


GATEWAY = "{port} http://127.0.0.1:{api_port}"


class Kind(NamedTuple):
    name: str
    config: str
    command: Callable[[Path], list[str]]


KINDS = [
    Kind("nginx", NGINX, lambda config: [*program("nginx"), "-c", str(config), "-e", "stderr"]),
    Kind("haproxy", HAPROXY, lambda config: [*program("haproxy"), "-db", "-f", str(config)]),
    Kind("node", GATEWAY, lambda config: [*node_script("gateway"), *config.read_text().split()]),
    Kind("caddy", CADDY, lambda config: [*program("caddy"), "run", "--adapter", "caddyfile", "--config", str(config)]),
]


def program(name: str) -> list[str]:
    found = shutil.which(name) or f"/usr/sbin/{name}"
    require(Path(found).exists(), f"no {name}; install the package {name}")
    return [found]


@contextmanager
def running(kind: Kind, api_url: str, home: Path) -> Iterator[str]:
    """The URL of a proxy before that API."""
    port, config, log = free_port(), home / "config", home / "log"
    config.write_text(kind.config.format(home=home, port=port, api_port=api_url.rpartition(":")[2]))
    environment = {**os.environ, "HOME": str(home), "XDG_DATA_HOME": str(home), "XDG_CONFIG_HOME": str(home)}
    with log.open("wb") as output:
        process = subprocess.Popen(kind.command(config), stdout=output, stderr=output, env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/health", process, log)
        yield url
    finally:
        process.terminate()
        process.wait(PATIENCE_SECONDS)


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if httpx.get(url).is_success:
                return
        except httpx.TransportError:
            pass
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.02)
