#!/bin/bash
# The image's words: `all`, `api`, `worker [celery options]`, `dashboard`, or any command.
# Each but `all` is exec'd, so that it is the process that gets SIGTERM.
set -eu

# A descriptor for each viewer, and for each answer to the model's service: as many as the host lets us have, up to what
# one process can make use of.
descriptors=$(ulimit -Hn)
if [ "$descriptors" = unlimited ] || [ "$descriptors" -gt 65536 ]; then descriptors=65536; fi
ulimit -Sn "$descriptors"

warn_of_env_file() { # of what is right for a process of its own machine, and in the way here
    if [ -z "${DATABASE_URL:-}" ] || [ "${DATABASE_URL#sqlite}" != "$DATABASE_URL" ]; then
        echo "DATABASE_URL is not of PostgreSQL: conversations are in this container, and no other can work for it." >&2
    fi
    case ${API_HOST:-} in
    127.* | localhost | ::1) echo "API_HOST=$API_HOST: this container's ports are reached from its inside alone." >&2 ;;
    esac
}

case "${1:-all}" in
all)
    # API and worker in one container. Whichever ends, by itself or by Docker's SIGTERM, takes the other along in order.
    warn_of_env_file
    trap : TERM INT
    "$0" worker & worker=$!
    "$0" api & api=$!
    status=0
    wait -n || status=$?
    kill "$worker" "$api" 2>/dev/null || true
    until wait; do :; done
    exit "$status"
    ;;
api)
    # 45 s for open answers to end: less than the 60 s after which Docker or Kubernetes kills.
    # Idle connections outlive the 60 s for which proxies keep theirs; else a proxy may send into one just closed.
    exec uvicorn api.app:app --host "${API_HOST:-0.0.0.0}" --port "${API_PORT:-8007}" \
        --timeout-graceful-shutdown 45 --timeout-keep-alive 75 --http api.http.protocol:BoundedHeadProtocol
    ;;
dashboard)
    exec uvicorn logs.app:app --host "${API_HOST:-0.0.0.0}" --port "${LLM_STREAMER_PORT:-8000}" --no-access-log \
        --timeout-graceful-shutdown 5 --timeout-keep-alive 75
    ;;
worker)
    exec celery -A workers.app "$@"
    ;;
*)
    exec "$@"
    ;;
esac
