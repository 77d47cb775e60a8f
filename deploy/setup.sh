# Shared by ./run and ./test: installs what is missing and builds. Sourced, not run.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

say() { printf '\033[1m==> %s\033[0m\n' "$*" >&2; }

fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# Debian packages on standard input's list that are not installed yet.
missing_packages() {
    local package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || printf '%s\n' "$package"
    done
}

# Installs Debian packages where they are missing; root or sudo is needed only then.
install_packages() {
    command -v dpkg-query >/dev/null || fail "this set-up knows Debian and its relatives; install by hand what $root/deploy/debian-packages.txt lists"
    local missing
    mapfile -t missing < <(missing_packages "$@")
    [ "${#missing[@]}" -eq 0 ] && return
    say "Installing ${missing[*]}"
    local elevate=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || fail "needs root or sudo to install: ${missing[*]}"
        elevate=(sudo)
    fi
    "${elevate[@]}" apt-get update -q >/dev/null || fail "apt-get update failed"
    "${elevate[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >/dev/null \
        || fail "apt-get could not install: ${missing[*]}"
}

build_packages() { sed -e 's/#.*//' "$root/deploy/debian-packages.txt" | awk 'NF {print $1}'; }

require_swift() {
    command -v swift >/dev/null || fail "needs Swift 6.2 or newer: https://www.swift.org/install/linux/"
    local version
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
    [ "$(printf '%s\n6.2\n' "$version" | sort -V | head -n 1)" = 6.2 ] || fail "needs Swift 6.2 or newer, found ${version:-none}"
}

# Everything that a plain `swift build -c release` needs.
set_up() {
    local packages
    mapfile -t packages < <(build_packages)
    install_packages "${packages[@]}"
    require_swift
}

# A Python environment in $1 with the pinned packages of $2, made anew only when the pins change.
python_environment() {
    local folder=$1 requirements=$2
    if ! cmp -s "$requirements" "$folder/requirements.txt"; then
        say "Setting up Python packages of ${requirements#"$root"/}"
        install_packages python3 python3-venv
        rm -rf "$folder"
        python3 -m venv "$folder" || fail "python3 -m venv failed"
        "$folder/bin/pip" install -q --disable-pip-version-check -r "$requirements" || fail "pip could not install $requirements"
        cp "$requirements" "$folder/requirements.txt"
    fi
}
