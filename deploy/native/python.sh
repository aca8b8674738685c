# .venv and what is installed in it.

OLDEST_PYTHON=3.11
SYSTEM_PYTHON=/usr/bin/python3

# Makes .venv with the pinned requirements; a moment's work when nothing has changed.
setup() {
    make_data
    if ! venv_works; then make_venv; fi
    install_requirements requirements.txt
    install_extras
}

# What only some settings need.
install_extras() {
    if wants ANTHROPIC_API_KEY anthropic; then install_requirements requirements.txt requirements-anthropic.txt; fi
    if wants GEMINI_API_KEY gemini; then install_requirements requirements.txt requirements-gemini.txt; fi
    if wants OLLAMA_HOST ollama; then install_requirements requirements.txt requirements-ollama.txt; fi
    if wants LOCAL_MODEL local; then install_requirements requirements.txt requirements-local.txt; fi
    if has_tool_servers; then install_requirements requirements.txt requirements-mcp.txt; fi
}

# By a setting, or by a model of MODELS_FILE.
wants() { # SETTING PROVIDER
    local models
    models=$(setting MODELS_FILE)
    [[ -n $(setting "$1") ]] || grep -qsE "^[[:space:]]*[\"']?provider[\"']?[[:space:]]*=[[:space:]]*[\"']$2[\"']" "$models"
}

# A table [servers.NAME] in TOOLS_FILE.
has_tool_servers() {
    grep -qsE "^[[:space:]]*\[[[:space:]]*[\"']?servers[\"']?[[:space:]]*\." "$(setting TOOLS_FILE)"
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
    choose_python || die "Hopstream needs Python $OLDEST_PYTHON or newer, and found none (looked for python3, python3.x and \$PYTHON).
Install one, or name it: PYTHON=/path/to/python3 ./run.sh setup"
    version=$(version_of "$python")
    gets_venv_module "$python" || die "Python $version is here, but its venv module is not, and $why_not.
Install it (Debian, Ubuntu: apt install python$version-venv), then try again."
    say python "making $VENV with Python $version"
    if [[ -L $VENV ]]; then rm "$VENV"; fi # --clear would empty what it points to
    "$python" -m venv --clear "$VENV" >"$LOGS/venv.log" 2>&1 || {
        last_lines "$LOGS/venv.log"
        die "Python $version could not make $VENV."
    }
}

# Sets `python`: the first that is new enough, but one that was built with optimizations before one that was not, as
# pyenv's are unless it is told so: with such a one everything takes up to twice as long. $PYTHON goes before all.
choose_python() {
    local candidate tried=
    python=
    for candidate in "${PYTHON:-python3}" python3 python3.{14,13,12,11} python "$SYSTEM_PYTHON"; do
        is_new_enough "$candidate" || continue
        # The one behind an activated environment: it may be .venv itself, which is about to be replaced.
        candidate=$("$candidate" -c 'import sys; print(getattr(sys, "_base_executable", sys.executable))')
        if [[ -n ${PYTHON:-} ]]; then
            python=$candidate
            return
        fi
        if [[ " $tried " == *" $candidate "* ]]; then continue; fi
        tried+=" $candidate"
        if is_optimized "$candidate" && gets_venv_module "$candidate"; then
            python=$candidate
            return
        fi
        python=${python:-$candidate}
    done
    [[ -n $python ]] || return 1
    if ! is_optimized "$python"; then
        warn python "$python was built without optimizations, and may take twice as long; PYTHON=... names another"
    fi
}

# Distributions build theirs with optimizations, and do not say so in its configuration.
is_optimized() { # PYTHON
    [[ $1 == "${SYSTEM_PYTHON%/*}"/* ]] || "$1" -c 'import sys, sysconfig
sys.exit("--enable-optimizations" not in (sysconfig.get_config_var("CONFIG_ARGS") or ""))'
}

# Debian and Ubuntu keep the venv module in a package of its own.
gets_venv_module() { # PYTHON
    "$1" -c 'import ensurepip, venv' 2>/dev/null || install_packages python "python$(version_of "$1")-venv"
}

version_of() { # PYTHON
    "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])'
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
