# Software that only the system's package manager can give: RabbitMQ, and what the tests drive.

APT_LOCK_SECONDS=120 # a fresh machine often updates itself while its first user is already at work

package_manager() {
    local manager
    for manager in apt-get dnf apk brew; do
        if command -v "$manager" >/dev/null; then
            printf '%s' "$manager"
            return
        fi
    done
    return 1
}

as_root() {
    if ((EUID == 0)); then
        "$@"
    elif [[ -t 0 && -t 2 ]]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

# Sets `why_not` where nothing can be installed. Somebody at a terminal can type sudo's password; a script cannot.
can_install() {
    local manager
    if ! manager=$(package_manager); then
        why_not="there is no apt, dnf, apk or brew here"
    elif [[ $manager == brew ]] || ((EUID == 0)) || sudo -n true 2>/dev/null; then
        return 0
    elif command -v sudo >/dev/null && [[ -t 0 && -t 2 ]]; then
        say sudo "may ask for your password"
        sudo -v && return 0
        why_not="sudo was refused"
    else
        why_not="this user is neither root nor allowed to use sudo without a password"
    fi
    return 1
}

# Says aloud what is installed. 1, with `why_not` set, where that cannot be done.
install_packages() { # PART PACKAGE...
    local part=$1 manager log=$LOGS/packages.log
    shift
    can_install || return 1
    manager=$(package_manager)
    make_data
    say "$part" "installing $* with ${manager%-get} (log: ${log#"$ROOT"/}) ..."
    if ! "install_with_${manager%-get}" "$@" >>"$log" 2>&1 </dev/null; then
        why_not="${manager%-get} could not install $*"
        last_lines "$log" 5
        return 1
    fi
}

# Debian starts a service while its package is being installed, unless policy-rc.d forbids it: a broker that
# nobody asked for would sit on port 5672 and start with every boot. We start our own instead, and only with the stack.
install_with_apt() ( # PACKAGE...
    policy=/usr/sbin/policy-rc.d
    if [[ ! -e $policy ]]; then
        trap 'as_root rm -f "$policy"' EXIT
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy"
        as_root chmod 755 "$policy"
    fi
    if ! compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null; then as_root apt-get update; fi
    # An old list names versions that the server has dropped since.
    apt_install "$@" || { as_root apt-get update && apt_install "$@"; }
)

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
        -o "DPkg::Lock::Timeout=$APT_LOCK_SECONDS" "$@"
}

install_with_dnf() { as_root dnf install --assumeyes "$@"; }
install_with_apk() { as_root apk add "$@"; }
install_with_brew() { brew install "$@"; }

# The other half of policy-rc.d: not with the next boot either.
not_at_boot() { # SERVICE
    if [[ -d /run/systemd/system ]]; then as_root systemctl disable --quiet "$1" 2>/dev/null || true; fi
}
