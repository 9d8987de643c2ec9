#!/usr/bin/env bash
# packages.sh build|test|lab|bench...: installs the Debian packages that are missing, and says which
# and why. Silent when nothing is missing. `make` calls it before it looks for a compiler.
set -eu

packages_of() {
    case $1 in
    build)
        echo gcc libc6-dev make pkg-config libuv1-dev libldns-dev libpcre2-dev libcjson-dev libmicrohttpd-dev
        echo libnghttp2-dev libssl-dev libcurl4-openssl-dev libyaml-dev libfstrm-dev libprotobuf-c-dev protobuf-c-compiler
        ;;
    test)
        echo libcmocka-dev                                # unit tests
        echo clang libclang-rt-14-dev llvm-14             # second compiler, fuzzing, stack traces
        echo clang-format                                 # lint
        echo git python3 python3-dnspython bind9-dnsutils # end-to-end tests
        echo iproute2                                     # network namespaces for them
        echo systemd libseccomp2                          # the unit: its score, its filters
        echo fstrm-bin                                    # a reader of dnstap
        echo python3-venv                                 # a mock of the API of Kubernetes
        echo zsh                                          # completions
        echo openssl curl                                 # certificates for them, DNS over HTTPS
        ;;
    lab) echo python3 iproute2 bind9-dnsutils ;; # the servers of it are unpacked by peers.sh
    bench) echo dnsperf python3 python3-dnspython python3-venv ;;
    *)
        echo "packages.sh: $1: expected build, test, lab or bench" >&2
        return 2
        ;;
    esac
}

is_missing() {
    [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" != installed ]
}

missing_of() {
    local package list
    list=$(packages_of "$1")
    for package in $list; do
        if is_missing "$package"; then
            echo "$package"
        fi
    done
}

# A package list that is older than the archive names files that are gone: look again then.
apt_install() {
    local options=(-y -q --no-install-recommends -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0)
    local install=(env DEBIAN_FRONTEND=noninteractive apt-get install "${options[@]}" "$@")
    local sudo=

    if [ "$(id -u)" -ne 0 ]; then
        sudo=sudo
        if ! command -v sudo >/dev/null; then
            echo "There is no sudo here. As root, please: apt-get install $*" >&2
            return 1
        fi
    fi
    $sudo "${install[@]}" || { $sudo apt-get update -q && $sudo "${install[@]}"; }
}

install_for() {
    local missing
    missing=$(missing_of "$1")
    [ -n "$missing" ] || return 0
    # shellcheck disable=SC2086 # a list of words
    set -- "$1" $missing
    echo "Installing what is needed to $1 isthmus: ${*:2}"
    apt_install "${@:2}"
}

if ! command -v dpkg-query >/dev/null; then
    echo "Not a Debian: please see to these yourself: $(for s in "$@"; do packages_of "$s"; done | xargs)"
    exit 0
fi
for stage in "$@"; do
    install_for "$stage"
done
