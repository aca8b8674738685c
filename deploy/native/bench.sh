# ./run.sh bench: the product beside what people would use instead.

LITELLM_VENV=$DATA/bench/litellm # of this repository, not of the bench's own broker

run_bench() { # [OPTION]...
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

# It pins many libraries that we have in other versions.
get_litellm() {
    local VENV=${LITELLM_VENV#"$ROOT/"}
    if ! venv_works; then make_venv; fi
    install_requirements bench/litellm.txt
}
