# ./run.sh bench: the product beside what people would use instead.

LITELLM_VENV=$DATA/bench/litellm # of this repository, not of the bench's own broker

run_bench() { # [PART] [OPTION]...
    if [[ ${1:-} == local ]]; then
        shift
        run_local_bench "$@"
        return
    fi
    setup
    install_requirements requirements.txt requirements-dev.txt
    if [[ " $* " != *" --modes "* || "$*" == *litellm* ]]; then
        get_litellm
    fi
    if [[ -z ${RABBIT_MQ:-} ]]; then
        trap stop_test_broker EXIT
        { get_rabbitmq && start_test_broker; } || die "RabbitMQ is not here, and $why_not."
    fi
    "$VENV/bin/python" -m bench "$@"
}

run_local_bench() { # [PART]... [OPTION]...
    setup
    install_requirements requirements.txt requirements-dev.txt
    install_requirements requirements.txt requirements-local.txt
    install_requirements bench/llama-cpp.txt
    "$VENV/bin/python" -m bench.local "$@"
}

# It pins many libraries that we have in other versions.
get_litellm() {
    local VENV=${LITELLM_VENV#"$ROOT/"}
    if ! venv_works; then make_venv; fi
    install_requirements bench/litellm.txt
}
