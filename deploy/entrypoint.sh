#!/bin/sh
# The image's words: `api`, `worker [celery options]`, `worker-connected` (the worker's health check), or any command.
# Each is exec'd, so that it is the process that gets SIGTERM.
set -eu

case "${1:-api}" in
api)
    # 45 s for open answers to end: less than the 60 s after which Docker or Kubernetes kills.
    # Idle connections outlive the 60 s for which proxies keep theirs; else a proxy may send into one just closed.
    exec uvicorn api.app:app --host "${API_HOST:-0.0.0.0}" --port "${API_PORT:-8007}" \
        --timeout-graceful-shutdown 45 --timeout-keep-alive 75
    ;;
worker)
    exec celery -A workers.app "$@"
    ;;
worker-connected)
    # True while this network namespace has an established (01) TCP connection to the broker's port. `celery inspect
    # ping` would cost a second of CPU for imports, and every worker would have to answer every other's ping.
    port=$(python -c '
import os, urllib.parse
url = urllib.parse.urlsplit(os.environ.get("RABBIT_MQ", "").strip())
print("%04X" % (url.port or {"amqps": 5671}.get(url.scheme, 5672)))
')
    exec grep -qs ":$port 01 " /proc/net/tcp /proc/net/tcp6
    ;;
*)
    exec "$@"
    ;;
esac
