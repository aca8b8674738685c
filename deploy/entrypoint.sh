#!/bin/sh
# The image's words: `api`, `worker [celery options]`, or any command.
# Each is exec'd, so that it is the process that gets SIGTERM.
set -eu

case "${1:-api}" in
api)
    # 45 s for open answers to end: less than the 60 s after which Docker or Kubernetes kills.
    # Idle connections outlive the 60 s for which proxies keep theirs; else a proxy may send into one just closed.
    exec uvicorn api.app:app --host "${API_HOST:-0.0.0.0}" --port "${API_PORT:-8007}" \
        --timeout-graceful-shutdown 45 --timeout-keep-alive 75 --http api.http.protocol:BoundedHeadProtocol
    ;;
worker)
    exec celery -A workers.app "$@"
    ;;
*)
    exec "$@"
    ;;
esac
