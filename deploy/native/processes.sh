# Background processes: data/run/NAME.pid holds a pid and the process's identity, so that no stranger who got the pid
# later, perhaps after a reboot, is ever signalled.

OPEN_FILES=65536 # one for each viewer and each answer; Debian's default, 1024, is soon used up

# What no other process ever has: this boot and the moment of the start. Nothing for one that is gone or a zombie.
identity() { # PID
    local stat fields
    if [[ -d /proc/self ]]; then
        { stat=$(<"/proc/$1/stat"); } 2>/dev/null || return 1
        read -ra fields <<<"${stat##*) }" # from the third field on: the second, the name, may hold anything
        [[ ${fields[0]} != Z ]] || return 1
        printf '%s-%s' "$(</proc/sys/kernel/random/boot_id)" "${fields[19]}"
    else
        ps -o lstart= -p "$1" | tr -s ' ' '-'
    fi
}

# The pid, if the process runs. One that ended before `spawn` could look has no identity.
pid_of() { # NAME
    local pid id
    { read -r pid id <"$RUN/$1.pid"; } 2>/dev/null || return 1
    [[ -n $id && $(identity "$pid") == "$id" ]] && printf '%s' "$pid"
}

alive() { # NAME
    pid_of "$1" >/dev/null
}

# Those that were started and not stopped, whether they still run or not.
started() { # [NAME PATTERN]
    local file
    for file in "$RUN"/${1:-*}.pid; do
        if [[ -f $file ]]; then basename "$file" .pid; fi
    done
}

running_processes() { # [NAME PATTERN]
    local name
    for name in $(started "${1:-*}"); do
        if alive "$name"; then printf '%s\n' "$name"; fi
    done
}

# Starts a process that outlives this terminal; its output goes to the log, the last run's log to NAME.log.old.
spawn() { # NAME COMMAND...
    local name=$1 log=$LOGS/$1.log detach='setsid'
    shift
    command -v setsid >/dev/null || detach='nohup'
    if [[ -s $log ]]; then mv "$log" "$log.old"; fi
    (
        umask 077
        ulimit -n "$OPEN_FILES" 2>/dev/null || ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
        exec "$detach" "$@" </dev/null >"$log" 2>&1
    ) &
    printf '%s %s\n' "$!" "$(identity "$!")" >"$RUN/$name.pid"
    disown
}

# SIGTERM to all, and SIGKILL to what is left after the grace time.
stop_processes() { # SECONDS NAME...
    local grace=$1 name deadline=$((SECONDS + $1)) told=
    shift
    for name in "$@"; do signal TERM "$name"; done
    for name in "$@"; do
        while alive "$name" && ((SECONDS < deadline)); do
            if ((SECONDS > deadline - grace + 3)) && [[ -z $told ]]; then
                say "${name%-*}" "finishing its work, at most $grace s ..."
                told=yes
            fi
            sleep 0.1
        done
        if alive "$name"; then
            warn "${name%-*}" "did not stop within $grace s: killed"
            signal KILL "$name"
        fi
        rm -f "$RUN/$name.pid"
    done
}

signal() { # SIGNAL NAME
    local pid
    if pid=$(pid_of "$2"); then
        # Killed with the processes it started, if it leads a session of its own, as setsid makes it.
        if [[ $1 == KILL ]]; then kill -KILL -- "-$pid" 2>/dev/null && return; fi
        kill "-$1" "$pid" 2>/dev/null || true
    fi
}
