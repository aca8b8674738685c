# The stack as processes of this machine.

START_SECONDS=60
API_STOP_SECONDS=15
HAND_OVER_SECONDS=15 # after SHUTDOWN_GRACE a worker hands over what still runs

native_start() { # [WORKERS]
    setup
    if alive api && ! lacks_worker; then
        if own_broker_is_missed; then
            revive_own_broker
            say broker "$broker_note again; API and workers connect to it within seconds"
        elif [[ -z $(stack_broker) ]]; then
            warn broker "none: direct mode only; ./run.sh restart looks for one again"
        fi
        printf '\nHopstream is already running: %s\n' "$(api_url)"
        return
    fi
    check_api_port
    choose_broker || true
    if [[ -n $broker_note ]]; then say broker "$broker_note"; else how_to_get_a_broker; fi
    printf '%s\n' "${broker_note:+$RABBIT_MQ}" >"$RUN/stack.broker"
    if ! alive broker; then rm -f "$RUN/broker.url"; fi # from before a reboot: nobody will miss that one

    start_api
    if [[ -n $broker_note ]]; then start_workers "${1:-1}"; fi
    if ! wait_for_health; then
        last_lines "$LOGS/$failed.log"
        native_stop >/dev/null
        die "$failed $failure; everything was stopped again. Its whole log: data/logs/$failed.log"
    fi
    printf '\nHopstream is running: %s\n' "$(api_url)"
}

lacks_worker() {
    [[ -n $(stack_broker) && -z $(running_processes 'worker-*') ]]
}

# The URL of the broker that the running API uses; nothing if it runs without.
stack_broker() {
    if [[ -f $RUN/stack.broker ]]; then cat "$RUN/stack.broker"; fi
}

check_api_port() {
    local answer
    if alive api; then return; fi
    answer=$(probe listen "$(api_host)" "$(api_port)") || die "Port $(api_port) $answer.
Stop that, or take another port: API_PORT=$(($(api_port) + 1)) ./run.sh start"
}

start_api() {
    if alive api; then return; fi
    say api "starting on $(api_host):$(api_port), log in data/logs/api.log"
    # The app ends open streams itself, and their clients resume: nothing is worth a long wait here.
    spawn api "$VENV/bin/uvicorn" api.app:app --host "$(api_host)" --port "$(api_port)" \
        --timeout-graceful-shutdown 10 --http api.http.protocol:BoundedHeadProtocol
}

start_workers() { # N
    local number
    for ((number = 1; number <= $1; number++)); do
        if alive "worker-$number"; then continue; fi
        say worker "starting number $number, log in data/logs/worker-$number.log"
        spawn "worker-$number" "$VENV/bin/celery" -A workers.app worker
    done
}

# Until the API answers and sees the workers of this machine. 1, with `failed` and `failure` set, if that does not come.
wait_for_health() {
    local expected status provider workers broker store model deadline=$((SECONDS + START_SECONDS))
    expected=$(native_worker_count)
    until read_health && ((workers >= expected)); do
        for failed in api $(started 'worker-*'); do
            if ! alive "$failed"; then
                failure="ended at once"
                return 1
            fi
        done
        if ((SECONDS > deadline)); then
            failure="did not answer within $START_SECONDS s"
            failed=api
            if read_health; then failed=worker-1 failure="did not report to the API within $START_SECONDS s"; fi
            return 1
        fi
        sleep 0.2
    done
    if [[ $provider == demo ]]; then model="demo: without an OPENAI_API_KEY in the environment or .env"; fi
    say model "$model"
}

# Sets what the caller declared of: status provider workers broker store model.
read_health() {
    local answer
    answer=$(probe health "$(local_host "$(api_host)")" "$(api_port)") || return 1
    # shellcheck disable=SC2034
    read -r status provider workers broker store model <<<"$answer"
}

native_stop() {
    local names
    names=$(running_processes | tr '\n' ' ')
    # shellcheck disable=SC2046 # a list of names without blanks
    stop_workers $(running_processes 'worker-*')
    stop_processes "$API_STOP_SECONDS" api
    stop_dashboard
    stop_own_broker
    rm -f "$RUN/stack.broker"
    say stopped "${names:-nothing was running}"
}

stop_workers() { # NAME...
    local grace
    grace=$(setting SHUTDOWN_GRACE 30)
    stop_processes "$((${grace%.*} + HAND_OVER_SECONDS))" "$@"
}

native_worker_count() {
    running_processes 'worker-*' | wc -l
}

# Exactly N. Also on a further machine, where RABBIT_MQ and DATABASE_URL name what it shares with the first.
native_worker() { # N
    local name extra=''
    setup
    choose_broker || true
    [[ -n $broker_note ]] || die "A worker needs RabbitMQ, and there is none: $why_not."
    start_workers "$1"
    for name in $(running_processes 'worker-*'); do
        if ((${name#worker-} > $1)); then extra+=" $name"; fi
    done
    # shellcheck disable=SC2086 # a list of names without blanks
    stop_workers $extra
    if alive api && ! wait_for_health >/dev/null; then
        last_lines "$LOGS/$failed.log"
        die "$failed $failure."
    fi
    say workers "$1"
}

# 3 where it does not run, as the Linux Standard Base has it for services.
native_status() {
    local name status='' provider workers broker store model
    if [[ -z $(running_processes) ]]; then
        printf 'Hopstream is not running. ./run.sh start starts it.\n'
        return 3
    fi
    for name in $(started); do
        if alive "$name"; then
            say "$name" "pid $(pid_of "$name")"
        else
            say "$name" "ended unasked, see data/logs/$name.log"
        fi
    done
    if [[ ! -f $RUN/broker.url && -n $(stack_broker) ]]; then say broker "not ours: $(without_password "$(stack_broker)")"; fi
    if ! alive api || ! read_health; then
        say health "the API does not answer"
        return 3
    fi
    say health "$status: broker $broker, store $store, workers $workers, provider $provider ($model)"
    printf '\nHopstream is running: %s\n' "$(api_url)"
}

native_logs() { # [-f] [api|worker|broker|dashboard|collector]
    local part='*' follow='' files
    if [[ ${1:-} == -f ]]; then
        follow=-F
        shift
    fi
    case ${1:-} in
    '') ;;
    api | broker | dashboard | collector) part=$1 ;;
    worker) part='worker-*' ;;
    *) misused "There are logs of api, worker, broker, dashboard and collector, not of '$1'." ;;
    esac
    files=("$LOGS"/$part.log)
    [[ -e ${files[0]} ]] || die "There is no such log yet. ./run.sh start makes it."
    tail -n 50 ${follow:+"$follow"} "${files[@]}"
}

native_agents() { # import|export DIR
    setup
    "$VENV/bin/python" -m core.agents.transfer "$@"
}

native_shell() {
    setup
    if [[ -n $(stack_broker) ]]; then RABBIT_MQ=$(stack_broker) && export RABBIT_MQ; fi
    exec "$VENV/bin/python" -i -c "$SHELL_START"
}

native_smoke() {
    setup
    API_KEYS=$(setting API_KEYS) "$VENV/bin/python" deploy/native/smoke.py "$(local_host "$(api_host)")" "$(api_port)"
}
