# The log dashboard: its gateway, a collector of this stack's logs, and a Redis, if none is there.

DEFAULT_REDIS=redis://localhost:6379/0
DEFAULT_DASHBOARD_PORT=8000
REDIS_START_SECONDS=20
REDIS_STOP_SECONDS=10
DASHBOARD_START_SECONDS=60
DASHBOARD_STOP_SECONDS=10

native_dashboard() {
    local answer port
    port=$(setting LLM_STREAMER_PORT "$DEFAULT_DASHBOARD_PORT")
    setup
    install_requirements requirements.txt requirements-logs.txt
    choose_redis
    if ! alive dashboard; then
        answer=$(probe listen "$(api_host)" "$port") || die "Port $port $answer.
Stop that, or take another port: LLM_STREAMER_PORT=$((port + 1)) ./run.sh dashboard"
        say dashboard "starting on $(api_host):$port, log in data/logs/dashboard.log"
        spawn dashboard "$VENV/bin/uvicorn" logs.app:app --host "$(api_host)" --port "$port" \
            --timeout-graceful-shutdown 5 --no-access-log
    fi
    start_collector
    wait_for_dashboard "$port"
    printf '\nThe dashboard is running: http://%s:%s/\n' "$(local_host "$(api_host)")" "$port"
    printf 'To see it move:            %s -m logs.producer\n' "$VENV/bin/python"
}

# What it shall read is set, or it reads what this stack logs; lines that are sent to Redis anyway are not read as well.
start_collector() {
    local files="$LOGS/broker.log"
    if alive collector; then return; fi
    if [[ -z $(setting LOG_STREAM) ]]; then files="$LOGS/api.log,$LOGS/worker-*.log,$files"; fi
    if [[ -z $(setting LOG_COLLECT)$(setting LOG_FILES) ]]; then export LOG_COLLECT=files LOG_FILES=$files; fi
    say collector "reading ${LOG_FILES:-$(setting LOG_COLLECT)}, log in data/logs/collector.log"
    spawn collector "$VENV/bin/python" -m logs.collector
}

wait_for_dashboard() { # PORT
    local deadline=$((SECONDS + DASHBOARD_START_SECONDS)) name
    until probe dashboard "$(local_host "$(api_host)")" "$1" >/dev/null; do
        for name in dashboard collector; do
            if ! alive "$name"; then
                last_lines "$LOGS/$name.log"
                stop_dashboard
                die "$name ended at once; the dashboard was stopped again. Its whole log: data/logs/$name.log"
            fi
        done
        if ((SECONDS > deadline)); then
            last_lines "$LOGS/dashboard.log"
            die "The dashboard did not answer within $DASHBOARD_START_SECONDS s; ./run.sh stop stops it."
        fi
        sleep 0.2
    done
}

stop_dashboard() {
    stop_processes "$DASHBOARD_STOP_SECONDS" collector dashboard
    stop_processes "$REDIS_STOP_SECONDS" redis
    rm -f "$RUN/redis.url"
}

# Exports REDIS_URL: the one that is set, one that answers on this machine, or one of our own. Valkey does as well.
choose_redis() {
    local configured answer
    configured=$(setting REDIS_URL)
    if [[ -n $configured && $configured != "$DEFAULT_REDIS" ]]; then
        answer=$(REDIS_URL=$configured probe redis) || die "REDIS_URL is $(without_password "$configured"), but there $answer.
Start that Redis or correct REDIS_URL (environment or .env); without it, the dashboard brings a Redis of its own."
        export REDIS_URL=$configured
        say redis "$(without_password "$configured") (REDIS_URL)"
    elif alive redis; then
        REDIS_URL=$(<"$RUN/redis.url")
        export REDIS_URL
    elif REDIS_URL=$DEFAULT_REDIS probe redis >/dev/null; then
        export REDIS_URL=$DEFAULT_REDIS
        say redis "the one that runs on localhost:6379"
    else
        start_own_redis
    fi
}

start_own_redis() {
    local server port answer home=$DATA/redis
    server=$(redis_program) || {
        install_packages redis "$(redis_package)" && not_at_boot redis-server
        server=$(redis_program) || die "The dashboard needs Redis, and there is none: $why_not.
Any one of these, then ./run.sh dashboard:
  - an administrator installs it:    apt install redis-server
  - run one in Docker:               docker run -d -p 127.0.0.1:6379:6379 redis:7
  - use one that is somewhere else:  REDIS_URL=redis://:password@host:6379/0 in .env"
    }
    (umask 077 && mkdir -p "$home")
    port=$(probe free-port 6379) || die "There is no free port for a Redis of our own."
    say redis "starting our own on localhost:$port, data in ${home#"$ROOT"/} ..."
    # What was said is on disk before a writer hears that it is there; what is too much is refused, never forgotten.
    spawn redis "$server" --port "$port" --bind 127.0.0.1 --dir "$home" --save '' --appendonly yes \
        --maxmemory 1gb --maxmemory-policy noeviction
    printf 'redis://127.0.0.1:%s/0\n' "$port" >"$RUN/redis.url"
    REDIS_URL=$(<"$RUN/redis.url")
    export REDIS_URL
    answer=$(probe redis "$REDIS_START_SECONDS" "$(pid_of redis)") || {
        last_lines "$LOGS/redis.log"
        stop_dashboard
        die "Our own Redis did not start: $answer."
    }
}

redis_program() {
    command -v redis-server || command -v valkey-server
}

redis_package() {
    if [[ $(package_manager) == apt-get ]]; then printf redis-server; else printf redis; fi
}
