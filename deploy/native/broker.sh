# A RabbitMQ for the stack: the one that RABBIT_MQ names, one that answers on this machine, or a node of our own.

DEFAULT_BROKER=amqp://guest:guest@localhost:5672/
BROKER_ANSWER_SECONDS=5
BROKER_START_SECONDS=60
BROKER_STOP_SECONDS=30

# Exports RABBIT_MQ and sets `broker_note`, or leaves it empty where no broker can be had (`why_not` says why).
choose_broker() {
    local configured answer
    configured=$(setting RABBIT_MQ)
    broker_note=
    if [[ -n $configured ]] && ! is_default_broker "$configured"; then
        [[ $configured =~ ^amqps?:// ]] || die "RABBIT_MQ must start with amqp:// or amqps://, not as $(without_password "$configured") does."
        answer=$(BROKER_URL=$configured probe amqp "$BROKER_ANSWER_SECONDS") ||
            die "RABBIT_MQ is $(without_password "$configured"), but there $answer.
Start that broker or correct RABBIT_MQ (environment or .env); without RABBIT_MQ, Hopstream brings a broker of its own."
        use_broker "$configured" "RabbitMQ at $(without_password "$configured") (RABBIT_MQ)"
    elif alive broker; then
        use_broker "$(<"$RUN/broker.url")" "our own RabbitMQ"
    elif own_broker_is_missed; then
        revive_own_broker
    elif BROKER_URL=$DEFAULT_BROKER probe amqp >/dev/null; then
        use_broker "$DEFAULT_BROKER" "the RabbitMQ that runs on localhost:5672"
    else
        get_rabbitmq && start_own_broker
    fi
}

# .env may well spell out the default, which means: whatever is there.
is_default_broker() { # URL
    [[ $1 =~ ^amqp://guest:guest@(localhost|127\.0\.0\.1|\[::1\])(:5672)?(/|/%2[Ff])?$ ]]
}

use_broker() { # URL NOTE
    export RABBIT_MQ=$1
    broker_note=$2
}

get_rabbitmq() {
    if rabbitmq_program rabbitmq-server >/dev/null; then return; fi
    local package=rabbitmq-server
    if [[ $(package_manager) == brew ]]; then package=rabbitmq; fi
    install_packages broker "$package" || return 1
    not_at_boot rabbitmq-server
    rabbitmq_program rabbitmq-server >/dev/null || { why_not="the package $package has no RabbitMQ where we look for it" && return 1; }
}

# One of RabbitMQ's own scripts. Debian's in /usr/sbin become the user rabbitmq first, who may not even enter the
# directory that the repository is in.
rabbitmq_program() { # NAME
    local folder
    for folder in /usr/lib/rabbitmq/bin /usr/lib/rabbitmq/lib/*/sbin /usr/lib64/rabbitmq/bin /opt/rabbitmq/sbin \
        {/opt/homebrew,/usr/local,/home/linuxbrew/.linuxbrew}/opt/rabbitmq/sbin; do
        if [[ -x $folder/$1 ]]; then
            printf '%s' "$folder/$1"
            return
        fi
    done
    return 1
}

# A node that shares nothing with any other: its name, ports, cookie, data, configuration and epmd, Erlang's name
# service, are all its own and under data/, and it listens on the loopback address only.
start_own_broker() { # [PORT]
    local home=$DATA/rabbitmq port dist_port epmd_port answer
    (umask 077 && mkdir -p "$home")
    : >"$home/rabbitmq.conf"
    printf '[].\n' >"$home/enabled_plugins"
    # Erlang would make up an easily guessed one.
    if [[ ! -f $home/.erlang.cookie ]]; then
        (umask 377 && "$VENV/bin/python" -c 'import secrets; print(secrets.token_hex())' >"$home/.erlang.cookie")
    fi
    port=${1:-$(probe free-port 5672)} && dist_port=$(probe free-port 25672) && epmd_port=$(probe free-port 14369) || {
        why_not="there is no free port for one of our own"
        return 1
    }
    say broker "starting our own RabbitMQ, data in ${home#"$ROOT"/} ..."

    local places=(
        HOME="$home" # for .erlang.cookie
        ERL_EPMD_PORT="$epmd_port"
        ERL_EPMD_ADDRESS=127.0.0.1
        RABBITMQ_NODENAME=hopstream@localhost
        RABBITMQ_NODE_IP_ADDRESS=127.0.0.1
        RABBITMQ_NODE_PORT="$port"
        RABBITMQ_DIST_PORT="$dist_port"
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}"
        RABBITMQ_MNESIA_BASE="$home/mnesia"
        RABBITMQ_LOG_BASE="$home/log"
        RABBITMQ_LOGS=- # standard output, which is data/logs/broker.log
        RABBITMQ_PID_FILE="$home/pid"
        RABBITMQ_CONF_ENV_FILE="$home/rabbitmq-env.conf"
        RABBITMQ_CONFIG_FILE="$home/rabbitmq.conf"
        RABBITMQ_CONFIG_FILES="$home/conf.d"
        RABBITMQ_ADVANCED_CONFIG_FILE="$home/advanced.config"
        RABBITMQ_ENABLED_PLUGINS_FILE="$home/enabled_plugins"
        RABBITMQ_GENERATED_CONFIG_DIR="$home/generated"
    )
    # Started here rather than by Erlang, which would leave it behind without telling its pid.
    spawn epmd env "${places[@]}" epmd -port "$epmd_port" -address 127.0.0.1
    spawn broker env "${places[@]}" "$(rabbitmq_program rabbitmq-server)"

    # For operators and tests: RabbitMQ's own would look for a node of another name.
    printf '#!/usr/bin/env bash\nexec env %s "$@"\n' "$(printf '%q ' "${places[@]}" "$(rabbitmq_program rabbitmqctl)")" >"$home/rabbitmqctl"
    chmod +x "$home/rabbitmqctl"

    local url=amqp://guest:guest@localhost:$port/
    printf '%s\n' "$url" >"$RUN/broker.url"
    if ! answer=$(BROKER_URL=$url probe amqp "$BROKER_START_SECONDS" "$(pid_of broker)"); then
        last_lines "$LOGS/broker.log" 10
        stop_own_broker
        why_not="our own RabbitMQ did not start: $answer"
        return 1
    fi
    use_broker "$url" "our own RabbitMQ on localhost:$port"
}

# It ended unasked, perhaps for want of memory, but what it served lives on.
own_broker_is_missed() {
    [[ -f $RUN/broker.url ]] && ! alive broker && [[ -n $(running_processes api)$(running_processes 'worker-*') ]]
}

# On the same port: what lives on has that URL, and connects again by itself.
revive_own_broker() {
    local url port answer
    url=$(<"$RUN/broker.url")
    port=${url##*:}
    port=${port%/}
    answer=$(probe listen 127.0.0.1 "$port") || die "Our own RabbitMQ ended unasked and cannot come back: its port $port $answer.
Stop that, then ./run.sh start; or let everything take another port: ./run.sh restart"
    warn broker "our own RabbitMQ ended unasked; what it said last will be in data/logs/broker.log.old"
    stop_processes "$BROKER_STOP_SECONDS" epmd
    if ! start_own_broker "$port"; then
        printf '%s\n' "$url" >"$RUN/broker.url" # it is still missed
        die "API and workers are without RabbitMQ: $why_not.
./run.sh restart starts everything anew."
    fi
}

stop_own_broker() {
    stop_processes "$BROKER_STOP_SECONDS" broker
    stop_processes "$BROKER_STOP_SECONDS" epmd
    rm -f "$RUN/broker.url"
}

how_to_get_a_broker() {
    warn broker "none answers on localhost:5672, and $why_not"
    warn '' "Queue mode needs RabbitMQ; direct mode works without. Any one of these, then ./run.sh restart:"
    warn '' "  - an administrator installs it:    apt install rabbitmq-server"
    warn '' "  - run one in Docker:               docker run -d -p 127.0.0.1:5672:5672 rabbitmq:4"
    warn '' "  - use one that is somewhere else:  RABBIT_MQ=amqp://user:password@host/ in .env"
}
