# ./run.sh test: from a bare machine to a verdict.

OLDEST_KUBECTL=1.21
beside=() # by process id: the logs of tests that run beside others

# All checks, quick ones first; given arguments, pytest alone with them. A part that cannot be had is announced here;
# its tests skip and say why, or fail where CI=true.
run_tests() { # [PYTEST ARGUMENT]...
    setup
    install_requirements requirements.txt requirements-dev.txt
    install_requirements requirements.txt requirements-local.txt
    get_postgres
    get_redis
    get_pgbouncer
    get_faketime
    get_proxies
    get_clients
    get_chromium
    get_kubectl
    get_shellcheck
    trap end_tests EXIT
    choose_test_broker

    if (($# == 0)); then
        check "ruff check" "$VENV/bin/ruff" check .
        check "ruff format" "$VENV/bin/ruff" format --check .
        check "mypy" "$VENV/bin/mypy"
        check "import directions" "$VENV/bin/lint-imports"
        check "pytest" all_tests
    else
        check "pytest" "$VENV/bin/python" -m pytest "$@"
    fi
}

# Tests that wait most of the time, beside those that need the processor, each lane in a process of its own. Nothing that
# needs the broker runs beside those that break it.
all_tests() {
    local failed='' scripted=('tests/browser/test_logs_'[!s]*.py) # these have a gateway of their own
    begin_beside unit-tests tests/unit tests/store
    begin_beside log-tests tests/logs "${scripted[@]}"
    "$VENV/bin/python" -m pytest tests/faults || failed=yes
    end_beside || failed=yes
    begin_beside integration-tests tests/integration/test_[e-z]*.py
    begin_beside page-tests tests/browser tests/peers tests/clients tests/docker "${scripted[@]/#/--ignore=}"
    "$VENV/bin/python" -m pytest tests/integration/test_[a-d]*.py tests/local || failed=yes
    end_beside || failed=yes
    [[ -z $failed ]]
}

begin_beside() { # NAME TESTS...
    "$VENV/bin/python" -m pytest -p no:cacheprovider "${@:2}" >"$LOGS/$1.log" 2>&1 </dev/null &
    beside[$!]=$LOGS/$1.log
}

end_beside() {
    local pid code=0
    for pid in "${!beside[@]}"; do
        wait "$pid" || code=$?
        cat "${beside[$pid]}"
        unset "beside[$pid]"
    done
    return "$code"
}

end_tests() {
    if ((${#beside[@]})); then kill "${!beside[@]}" 2>/dev/null || true; fi
    stop_test_broker
}

# Load and faults, and the books of every token: a table. Without --node a fresh RabbitMQ is broken.
run_chaos() { # [MINUTES] [OPTION]...
    local minutes=10
    if [[ ${1:-} =~ ^[0-9.]+$ ]]; then
        minutes=$1
        shift
    fi
    setup
    install_requirements requirements.txt requirements-dev.txt
    get_postgres
    if [[ " $* " != *" --node "* ]]; then
        trap stop_test_broker EXIT
        { get_rabbitmq && start_test_broker; } || die "RabbitMQ is not here, and $why_not."
        set -- --node "$RABBIT_MQ" "$HOPSTREAM_TEST_RABBITMQCTL" "$@"
    fi
    "$VENV/bin/python" -m tests.faults.chaos --minutes "$minutes" "$@"
}

check() { # NAME COMMAND...
    printf '\n'
    say check "$1"
    "${@:2}" || die "$1 failed."
}

missing() { # PART WHAT FOLLOWS
    warn tests "$1 is not here, and $why_not: $2"
}

# RABBIT_MQ of the environment; else a fresh node that ends with the tests; else what runs on localhost. Neither that
# of .env nor that of a running stack first: tests must not eat the jobs of either.
choose_test_broker() {
    if [[ -z ${RABBIT_MQ:-} ]] && get_rabbitmq; then
        start_test_broker || missing RabbitMQ "tests with RabbitMQ cannot run"
    elif [[ -n ${RABBIT_MQ:-} ]] || BROKER_URL=$DEFAULT_BROKER probe amqp >/dev/null; then
        choose_broker
    else
        missing RabbitMQ "tests with RabbitMQ cannot run"
        return
    fi
    if [[ -n ${broker_note:-} ]]; then say broker "$broker_note"; fi
}

# One that may be broken.
start_test_broker() {
    test_data=$(mktemp -d "${TMPDIR:-/tmp}/hopstream-test.XXXXXX")
    use_data "$test_data"
    make_data
    start_own_broker || return 1
    export HOPSTREAM_TEST_RABBITMQCTL=$test_data/rabbitmq/rabbitmqctl
}

stop_test_broker() {
    if [[ -n ${test_data:-} ]]; then
        stop_own_broker
        rm -rf "$test_data"
    fi
}

# Only its programs: the tests start a cluster of their own.
get_postgres() {
    local place
    if ! place=$(postgres_programs); then
        install_packages tests postgresql && not_at_boot postgresql
        place=$(postgres_programs) || { missing PostgreSQL "tests on PostgreSQL cannot run" && return; }
    fi
    export HOPSTREAM_TEST_POSTGRES_BIN=$place
}

postgres_programs() {
    local place on_path
    on_path=$(command -v initdb || true)
    for place in "${HOPSTREAM_TEST_POSTGRES_BIN:-}" \
        $(compgen -G '/usr/lib/postgresql/*/bin' | sort -Vr) /usr/pgsql-*/bin "${on_path%/initdb}"; do
        if [[ -x $place/initdb && -x $place/pg_ctl ]]; then
            printf '%s' "$place"
            return
        fi
    done
    return 1
}

get_redis() {
    if command -v redis-server >/dev/null; then return; fi
    install_packages tests "$(redis_package)" && not_at_boot redis-server
    command -v redis-server >/dev/null || missing Redis "tests of shared rate limits and of the log dashboard cannot run"
}

get_pgbouncer() {
    if [[ -x /usr/sbin/pgbouncer ]] || command -v pgbouncer >/dev/null; then return; fi
    install_packages tests pgbouncer && not_at_boot pgbouncer || missing PgBouncer "tests behind a pooler cannot run"
}

get_faketime() {
    if compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null; then return; fi
    install_packages tests faketime || missing libfaketime "tests of clocks that jump cannot run"
}

get_proxies() {
    local name
    for name in nginx haproxy caddy; do
        if [[ -x /usr/sbin/$name ]] || command -v "$name" >/dev/null; then continue; fi
        install_packages tests "$name" && not_at_boot "$name" || missing "$name" "tests behind it cannot run"
    done
}

# Clients of other languages: the JDK, and packages of Node.js, which is a package of Python's itself.
get_clients() {
    if ! command -v javac >/dev/null; then
        local package=default-jdk-headless
        if [[ $(package_manager) != apt-get ]]; then package=java-devel; fi
        install_packages tests "$package" || missing Java "the test of its client cannot run"
    fi
    command -v curl >/dev/null || install_packages tests curl || missing curl "the test of HTTP/1.0 cannot run"
    local peers=tests/peers/node
    if [[ $peers/node_modules/.package-lock.json -nt $peers/package-lock.json ]]; then return; fi
    "$VENV/bin/npm" ci --ignore-scripts --prefix "$peers" >"$LOGS/npm.log" 2>&1 </dev/null || {
        why_not="npm could not install it (log: data/logs/npm.log)"
        missing "Node.js's world" "tests of its clients and proxies cannot run"
    }
}

get_chromium() {
    local program library=libatomic
    if [[ $(package_manager) == apt-get ]]; then library=libatomic1; fi
    # Playwright ships a Node.js, which wants a library that a small system lacks.
    "$VENV/bin/playwright" --version >/dev/null 2>&1 || install_packages tests "$library" || true
    if ! program=$(chromium_program); then
        install_packages tests chromium || download_chromium || true
        program=$(chromium_program) || { missing Chromium "tests in a browser cannot run" && return; }
    fi
    export HOPSTREAM_TEST_CHROMIUM=$program
}

chromium_program() {
    local program
    for program in "${HOPSTREAM_TEST_CHROMIUM:-}" chromium chromium-browser google-chrome; do
        # Ubuntu's chromium-browser is a note about snap, until snap has brought the browser.
        if "$program" --version >/dev/null 2>&1; then
            command -v "$program"
            return
        fi
    done
    program=$("$VENV/bin/python" -c 'from playwright.sync_api import sync_playwright
with sync_playwright() as playwright: print(playwright.chromium.executable_path)' 2>/dev/null)
    [[ -x $program ]] && printf '%s' "$program"
}

# Ubuntu has no package of it.
download_chromium() {
    say tests "downloading Playwright's Chromium (log: data/logs/chromium.log) ..."
    "$VENV/bin/playwright" install --with-deps chromium >"$LOGS/chromium.log" 2>&1 </dev/null || {
        why_not="Playwright could not download it"
        return 1
    }
}

# Renders the manifests. Debian 12's, 1.20, brings a Kustomize that is too old for them.
get_kubectl() {
    local package version
    if command -v kubectl >/dev/null; then return; fi
    why_not="no package offers version $OLDEST_KUBECTL or newer"
    for package in kubectl kubernetes-client; do
        version=$(apt-cache show --no-all-versions "$package" 2>/dev/null | sed -n 's/^Version: *//p') || true
        if [[ -n $version ]] && dpkg --compare-versions "$version" ge "$OLDEST_KUBECTL"; then
            install_packages tests "$package" && return
        fi
    done
    missing kubectl "tests of the manifests cannot run"
}

get_shellcheck() {
    command -v shellcheck >/dev/null || install_packages tests shellcheck || missing shellcheck "its test cannot run"
}
