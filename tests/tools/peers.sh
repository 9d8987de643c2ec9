#!/usr/bin/env bash
# peers.sh [bench|lab]: unpacks the DNS servers that tests use as clusters and clients, and the
# promtool that reads our metrics, with the libraries this machine lacks, under build/peers; with
# `bench` the forwarders too that only the bench measures, with `lab` what examples/lab makes its
# networks of. They are downloaded from the machine's own package sources but never installed, so
# none ever starts as a service; they run through the wrappers of build/peers/bin. Quick and silent
# when that is done already.
set -euo pipefail
cd "$(dirname "$0")/../.."
stage=${1:-test}
case $stage in
test)
    servers='nsd unbound bind9 knot knot-dnsutils prometheus dnsmasq-base systemd-resolved serf
        etcd-server'
    programs='nsd nsd-checkconf nsd-checkzone nsd-control unbound unbound-checkconf named
        named-checkconf named-checkzone knotd knotc kdig promtool dnsmasq systemd-resolved serf etcd'
    ;;
bench)
    tests/tools/peers.sh test
    servers='dnsdist dnsmasq-base knot-resolver'
    programs='dnsdist dnsmasq kresd'
    ;;
lab)
    tests/tools/peers.sh test
    servers='bird2 nftables traceroute curl wireguard-go wireguard-tools'
    programs='bird birdc nft traceroute.db curl wireguard-go wg'
    ;;
*)
    echo "peers.sh: $stage: expected test, bench or lab" >&2
    exit 2
    ;;
esac
peers=$PWD/build/peers
unpacked=$peers/done.$stage

mkdir -p "$peers/bin" "$peers/debs" "$peers/root"
exec 9>"$peers/lock"
flock 9
if [ "$(cat "$unpacked" 2>/dev/null)" = "$servers" ]; then
    exit 0
fi

# What apt would have to install here. The C library is left out: a program must run with
# the one that belongs to the machine's loader.
packages_needed() {
    # shellcheck disable=SC2086 # a list of words
    apt-get install -s --no-install-recommends $servers |
        sed -n '/^Inst libc6 /d; /^Inst libc-bin /d; s/^Inst \([^ ]*\) .*/\1/p'
}

# As root apt would change to a user who cannot write here.
download() {
    local needed
    needed=$(packages_needed) || return
    [ -n "$needed" ] || return 0
    # shellcheck disable=SC2086
    (cd "$peers/debs" && apt-get download -q -o APT::Sandbox::User=root $needed)
}

# Old package lists name files that the archive no longer has.
download_again() {
    if [ "$(id -u)" -eq 0 ]; then
        apt-get update -q
    else
        sudo apt-get update -q
    fi
    rm -f "$peers"/debs/*
    download
}

write_wrapper() {
    cat >"$peers/bin/$1" <<END
#!/bin/sh
root=\$(dirname "\$0")/../root
LD_LIBRARY_PATH=\$root/usr/lib/$triplet:\$root/lib/$triplet:\$root/usr/lib/$triplet/systemd exec "\$root$2" "\$@"
END
    chmod +x "$peers/bin/$1"
}

# kresd looks for its modules under /usr and nowhere else: a view of its own shows them there.
write_kresd_wrapper() {
    cat >"$peers/bin/kresd" <<END
#!/bin/sh
root=\$(realpath "\$(dirname "\$0")/../root")
exec unshare -rm sh -c '
    for folder in /usr/lib/$triplet /usr/share; do
        mount -t overlay overlay -o "lowerdir=\$0\$folder:\$folder" "\$folder" || exit
    done
    exec "\$0/usr/sbin/kresd" "\$@"' "\$root" "\$@"
END
    chmod +x "$peers/bin/kresd"
}

echo "Unpacking under build/peers, not installing: $servers"
if ! download; then
    download_again
fi
find "$peers/debs" -name '*.deb' -exec dpkg-deb -x {} "$peers/root" \;
triplet=$(gcc -print-multiarch)
for program in $programs; do
    if [ "$program" = kresd ]; then
        write_kresd_wrapper
        continue
    fi
    for folder in /usr/sbin /usr/bin /lib/systemd /usr/lib/systemd; do
        if [ -x "$peers/root$folder/$program" ]; then
            write_wrapper "$program" "$folder/$program"
        fi
    done
done
# Debian names it so that others of the kind can be installed beside it.
if [ -x "$peers/bin/traceroute.db" ]; then
    ln -sf traceroute.db "$peers/bin/traceroute"
fi
echo "$servers" >"$unpacked"
