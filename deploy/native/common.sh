# What every part of run.sh uses: words on the terminal, settings, and where things are kept.

VENV=.venv
why_not= # the reason of the last thing that could not be had
DEFAULT_API_PORT=8007
SHELL_START='from core.settings import get_settings
settings = get_settings()
print("The settings are in `settings`; Ctrl-D leaves.")'

# Data, logs and pid files of one stack. The tests' broker has a place of its own.
use_data() { # DIRECTORY
    DATA=$1
    LOGS=$DATA/logs
    RUN=$DATA/run
}
use_data "$ROOT/data"

make_data() {
    # Conversations and the broker's password are in there: for this user alone.
    (umask 077 && mkdir -p "$LOGS" "$RUN") || die "Cannot write to $DATA. Run this as the user who owns it."
}

say() { # PART TEXT
    printf '%-9s %s\n' "$1" "$2"
}

warn() { # PART TEXT
    say "$@" >&2
}

die() { # TEXT
    printf '\n%s\n' "$1" >&2
    exit 1
}

last_lines() { # FILE [LINES]
    if [[ -s $1 ]]; then
        printf '\nThe last lines of %s:\n' "${1#"$ROOT"/}"
        tail -n "${2:-15}" "$1" | sed 's/^/  | /'
    fi >&2
}

# A setting as core/settings.py finds it: the environment first, then .env; a Windows line end does no harm.
setting() { # NAME [DEFAULT]
    local name=$1 value line
    value=$(trimmed "${!name:-}")
    if [[ -z $value && -f .env ]]; then
        while IFS= read -r line || [[ -n $line ]]; do
            if [[ $line =~ ^[[:space:]]*(export[[:space:]]+)?"$name"[[:space:]]*=(.*)$ ]]; then
                value=$(unquoted "${BASH_REMATCH[2]}")
            fi
        done <.env
    fi
    printf '%s' "${value:-${2:-}}"
}

trimmed() { # TEXT
    local text=$1
    text=${text#"${text%%[![:space:]]*}"}
    printf '%s' "${text%"${text##*[![:space:]]}"}"
}

unquoted() { # RIGHT-HAND SIDE OF A LINE IN .env
    local text
    text=$(trimmed "$1")
    case $text in
    \"*\"*) text=${text#\"} && text=${text%%\"*} ;;
    \'*\'*) text=${text#\'} && text=${text%%\'*} ;;
    \#*) text= ;;
    *) text=${text%%[[:space:]]#*} ;;
    esac
    trimmed "$text"
}

# Whether a model or its service is set up; else the demo provider answers.
has_provider() {
    local name
    for name in OPENAI_API_KEY ANTHROPIC_API_KEY GEMINI_API_KEY OLLAMA_HOST LOCAL_MODEL MODELS_FILE; do
        if [[ -n $(setting "$name") ]]; then return; fi
    done
    return 1
}

api_host() { setting API_HOST 127.0.0.1; }
api_port() { setting API_PORT "$DEFAULT_API_PORT"; }

# Where a person on this machine finds the API.
api_url() {
    printf 'http://%s:%s/' "$(local_host "$(api_host)")" "$(api_port)"
}

local_host() { # ADDRESS THAT A SERVER LISTENS ON
    case $1 in
    127.0.0.1 | 0.0.0.0 | :: | ::1) printf localhost ;;
    *:*) printf '[%s]' "$1" ;;
    *) printf '%s' "$1" ;;
    esac
}

# Also of a mistyped one, and of a password that should have been quoted: before the last @ only the scheme is shown.
without_password() { # URL
    local scheme=
    if [[ $1 == *@* && $1 =~ ^[A-Za-z][A-Za-z0-9+.-]*:// ]]; then scheme=${BASH_REMATCH[0]}; fi
    printf '%s%s' "$scheme" "${1##*@}"
}

probe() { # see probe.py; what is secret goes by the environment, as everyone may read the arguments of a process
    API_KEYS=$(setting API_KEYS) RABBIT_MQ_CA=$(setting RABBIT_MQ_CA) \
        "$VENV/bin/python" -W ignore deploy/native/probe.py "$@"
}
