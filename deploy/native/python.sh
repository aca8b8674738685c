# .venv and what is installed in it.

OLDEST_PYTHON=3.11

# Makes .venv with the pinned requirements; a moment's work when nothing has changed.
setup() {
    make_data
    if ! venv_works; then make_venv; fi
    install_requirements requirements.txt
}

# Not after a move of the repository: its scripts name their Python by its full path.
venv_works() {
    is_new_enough "$VENV/bin/python" && grep -qsF "$ROOT/$VENV/bin/" "$VENV/bin/pip"
}

is_new_enough() { # PYTHON
    "$1" -c "import sys; sys.exit(sys.version_info < (${OLDEST_PYTHON/./, }))" 2>/dev/null
}

make_venv() {
    local python version
    python=$(find_python) || die "Hopstream needs Python $OLDEST_PYTHON or newer, and found none (looked for python3, python3.x and \$PYTHON).
Install one, or name it: PYTHON=/path/to/python3 ./run.sh setup"
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
        # Debian and Ubuntu keep the venv module in a package of its own.
        install_packages python "python$version-venv" || die "Python $version is here, but its venv module is not, and $why_not.
Install it (Debian, Ubuntu: apt install python$version-venv), then try again."
    fi
    say python "making $VENV with Python $version"
    if [[ -L $VENV ]]; then rm "$VENV"; fi # --clear would empty what it points to
    "$python" -m venv --clear "$VENV" >"$LOGS/venv.log" 2>&1 || {
        last_lines "$LOGS/venv.log"
        die "Python $version could not make $VENV."
    }
}

find_python() {
    local candidate
    for candidate in "${PYTHON:-python3}" python3 python3.{14,13,12,11} python; do
        if is_new_enough "$candidate"; then
            # The one behind an activated environment: it may be .venv itself, which is about to be replaced.
            "$candidate" -c 'import sys; print(getattr(sys, "_base_executable", sys.executable))'
            return
        fi
    done
    return 1
}

# The stamp is what was installed, word for word, so that it needs no explanation.
install_requirements() { # FILE...
    local file=${!#} wanted stamp log=$LOGS/pip.log
    stamp=$VENV/installed-${file##*/}
    wanted=$(cat "$@")
    if [[ -f $stamp && $(<"$stamp") == "$wanted" ]]; then return; fi
    say python "installing $file (once; a minute or two) ..."
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "${@/#/--requirement=}" >"$log" 2>&1 || {
        last_lines "$log"
        die "pip could not install $file: is there a network? Then try again: ./run.sh setup"
    }
    printf '%s\n' "$wanted" >"$stamp"
}
