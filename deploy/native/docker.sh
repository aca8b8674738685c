# The stack as containers: deploy/compose.yaml.

docker_answers() {
    command -v docker >/dev/null && docker compose version >/dev/null 2>&1 && docker info >/dev/null 2>&1
}

# From its folder, so that Compose finds a compose.override.yaml there as well. It takes the published address and port
# from the shell; run.sh takes them from .env too.
compose() {
    (cd deploy && API_HOST=$(cd .. && api_host) API_PORT=$(cd .. && api_port) exec docker compose "$@")
}

docker_start() { # [WORKERS]
    local workers=${1:-}
    if [[ -z $workers ]]; then workers=$(docker_worker_count); fi
    say docker "building and starting the containers of deploy/compose.yaml ..."
    compose up --detach --build --wait --scale "worker=$((workers > 0 ? workers : 1))" || {
        compose logs --tail 15 >&2
        die "The containers did not become healthy; above are their last log lines. ./run.sh stop removes them."
    }
    has_provider || say model "none is set up, such as by OPENAI_API_KEY in .env: the demo provider answers"
    printf '\nHopstream is running: %s\n' "$(api_url)"
}

docker_stop() {
    compose --profile logs down --remove-orphans
    say stopped "its data stays in the volumes of the Compose project hopstream"
}

docker_dashboard() {
    local services=(llm-streamer-gateway llm-streamer-collector) port
    port=$(setting LLM_STREAMER_PORT "$DEFAULT_DASHBOARD_PORT")
    say docker "building and starting the log dashboard of deploy/logs.compose.yaml ..."
    LLM_STREAMER_PORT=$port compose --profile logs up --detach --build --no-recreate --wait "${services[@]}" || {
        compose --profile logs logs --tail 15 "${services[@]}" >&2
        die "The dashboard did not become healthy; above are its last log lines."
    }
    printf '\nThe dashboard is running: http://localhost:%s/\n' "$port"
}

docker_worker_count() {
    compose ps --quiet worker | wc -l
}

docker_worker() { # N
    compose up --detach --wait --no-recreate --scale "worker=$1"
    say workers "$1"
}

docker_status() {
    if [[ -z $(compose ps --quiet api) ]]; then
        printf 'Hopstream is not running. ./run.sh start starts it.\n'
        return 3
    fi
    compose ps
    printf '\nHopstream is running: %s\n' "$(api_url)"
}

docker_logs() { # [-f] [api|worker|broker]
    local follow=''
    if [[ ${1:-} == -f ]]; then
        follow=--follow
        shift
    fi
    case ${1:-} in
    '' | api | worker) compose logs --tail 50 ${follow:+"$follow"} "$@" ;;
    broker) compose logs --tail 50 ${follow:+"$follow"} rabbitmq ;;
    *) misused "There are logs of api, worker and broker, not of '$1'." ;;
    esac
}

# In a container that has the folder as well, as the user who owns it.
docker_agents() { # import|export DIR
    if [[ $1 == export ]]; then mkdir -p "$2"; fi
    compose run --rm -T --user "$(id -u):$(id -g)" --volume "$2:/agents" api python -m core.agents.transfer "$1" /agents
}

docker_shell() {
    compose exec api python -i -c "$SHELL_START"
}

# Inside, where there surely is a Python.
docker_smoke() {
    compose exec -T api python - localhost "$DEFAULT_API_PORT" <deploy/native/smoke.py
}
