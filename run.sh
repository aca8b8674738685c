#!/usr/bin/env bash
# Everything Hopstream's people type: set up, run, look at, test. `./run.sh` alone prints the list.
set -euo pipefail

CALLED_FROM=$PWD
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
cd "$ROOT" # from here on every path is the repository's, as the settings expect

source deploy/native/common.sh
source deploy/native/packages.sh
source deploy/native/python.sh
source deploy/native/processes.sh
source deploy/native/broker.sh
source deploy/native/dashboard.sh
source deploy/native/native.sh
source deploy/native/docker.sh
source deploy/native/testing.sh
source deploy/native/bench.sh

usage() {
    cat <<'END'
Hopstream: LLM answers streamed through RabbitMQ

  ./run.sh setup          make .venv with everything that API and worker need
  ./run.sh start          set up what is missing and run it: RabbitMQ, the API, one worker
  ./run.sh stop           stop all of it
  ./run.sh restart        stop, then start with as many workers as ran before
  ./run.sh status         what runs, where, and its health
  ./run.sh worker N       run N workers
  ./run.sh logs [-f] [api|worker|broker]
  ./run.sh dashboard      the log dashboard, beside it: what every part says, live and searchable, in a browser
  ./run.sh agents import|export DIR
                          copy agents from a folder of files, or to it: DIR/<id>.md each
  ./run.sh shell          a Python shell with the settings loaded
  ./run.sh smoke          check the running stack: health, test, chat, stream
  ./run.sh test [ARGS]    set up what the tests need and run all checks; with ARGS, pytest ARGS alone
  ./run.sh chaos [MINUTES] [ARGS]
                          break a system under load for so long (10), and count every token; --help tells ARGS
  ./run.sh bench [ARGS]   what the queue costs, beside LiteLLM; more than an hour, or --help tells how to have less
                          ('bench local': the local engine, beside transformers and llama.cpp)

With a running Docker engine, start uses deploy/compose.yaml, otherwise this machine itself.
MODE=native or MODE=docker decides. Settings come from the environment, then from .env.
END
}

# Docker, where its engine runs; but what was started natively is handled natively until it is stopped.
choose_mode() {
    case ${MODE:-} in
    native) mode=native ;;
    docker)
        docker_answers || die "MODE=docker, but no Docker engine with Compose answers. Start Docker, or use MODE=native."
        mode=docker
        ;;
    '')
        if [[ -z $(running_processes) ]] && docker_answers; then mode=docker; else mode=native; fi
        ;;
    *) die "MODE is native or docker, not '$MODE'." ;;
    esac
}

restart() {
    local workers
    workers=$("${mode}_worker_count")
    "${mode}_stop"
    "${mode}_start" "$((workers > 0 ? workers : 1))"
}

misused() {
    printf '%s\n\n' "$1" >&2
    usage >&2
    exit 2
}

main() {
    local command=${1:-help}
    shift || true
    case $command in
    setup | start | stop | restart | status | dashboard | shell | smoke)
        (($# == 0)) || misused "'$command' takes no arguments."
        ;;
    worker)
        if (($# != 1)) || [[ ! $1 =~ ^[0-9]{1,2}$ ]]; then misused "'worker' takes a number from 0 to 99: ./run.sh worker 3"; fi
        ;;
    agents)
        if (($# != 2)) || [[ $1 != import && $1 != export ]]; then
            misused "'agents' takes a direction and a folder: ./run.sh agents export my-agents"
        fi
        if [[ $2 != /* ]]; then set -- "$1" "$CALLED_FROM/$2"; fi
        ;;
    esac
    case $command in
    setup) setup && say python ".venv is ready" ;;
    test) run_tests "$@" ;;
    chaos) run_chaos "$@" ;;
    bench) run_bench "$@" ;;
    start | stop | status | worker | logs | dashboard | agents | shell | smoke) choose_mode && "${mode}_$command" "$@" ;;
    restart) choose_mode && restart ;;
    help | -h | --help) usage ;;
    *) misused "Unknown command '$command'." ;;
    esac
}

# Sourced, as its tests do, it only defines.
if [[ ${BASH_SOURCE[0]} == "$0" ]]; then main "$@"; fi
