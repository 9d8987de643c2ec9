#!/usr/bin/env python3
"""`isthmus client-config`: what it prints, loaded by the programs it is for and asked through them:
Unbound, dnsmasq, systemd-resolved (which runs without an init in namespaces of its own), and
CoreDNS where COREDNS=path says where one is. In front of a cluster made of NSD.
"""
import functools
import json
import os
import shutil
import subprocess

import harness
import peers
import world
from harness import ISTHMUS, Isthmus, Process, check, equal, folder, free_port, need, run, wait_until, write

HERE = ('10.100.0.10', '10.101.0.10', '10.0.0.53', '10.0.0.1', '192.0.2.1')
COREFILE = '''. {
    bind 10.0.0.53
    cluster cluster-a.local 10.100.0.0/19 {
        pods 10.50.0.0/16
    }
    cluster cluster-b.local 10.101.0.0/19 {
        pods 10.51.0.0/16
    }
    cache 30
    errors
}
'''
NAME, ADDRESS, SERVICE = 'app.web.svc.cluster-b.local', '10.101.7.21', 'app.web.svc.cluster-b.local.'


def corefile():
    return write(os.path.join(folder('client'), 'Corefile'), COREFILE)


def client_config(kind, *options):
    status, out, err = run([ISTHMUS, 'client-config', kind, '-conf', corefile(), *options])
    equal((status, err), (0, ''), f'client-config {kind}')
    return out


@functools.cache
def clusters():
    """The clusters and the program under test, at the addresses of the story."""
    servers = [peers.Nsd(one.zones(), [str(one.services[10])], 53) for one in (world.standard_a(), world.standard_b())]
    return servers + [Isthmus(COREFILE, address='10.0.0.53', port=53)]


def short(server, *words):
    return run([need('dig'), f'@{server}', '+short', '+time=2', '+tries=2', *words])[1].split('\n')[:-1]


def resolves(server, reverse=True):
    wait_until(lambda: short(server, NAME) == [ADDRESS], 15, f'{NAME} through {server}')
    equal(short(server, NAME), [ADDRESS], 'a name of a cluster')
    equal(short(server, 'app.web.svc.cluster-a.local'), ['10.100.7.21'], 'and of the other')
    if reverse:
        equal(short(server, '-x', ADDRESS), [SERVICE], 'a reverse name')


# ---- what is printed ----

def test_story_4_the_lines_for_a_clusters_coredns():
    equal(client_config('coredns', '--server', '10.0.0.53'), '''cluster-a.local:53 cluster-b.local:53 {
    errors
    cache 30
    forward . 10.0.0.53
}
''', 'the transcript')


def test_the_server_is_the_one_that_bind_names_unless_told():
    check('forward . 10.0.0.53\n' in client_config('coredns'), 'that of bind')
    for kind, written in (('coredns', 'forward . 192.0.2.9:5353\n'), ('resolved', 'DNS=192.0.2.9:5353\n'),
                          ('dnsmasq', 'server=/cluster-b.local/192.0.2.9#5353\n'),
                          ('unbound', 'forward-addr: 192.0.2.9@5353\n')):
        check(written in client_config(kind, '--server', '192.0.2.9:5353'), f'{kind}: with a port')
    check('forward-addr: fd00::53\n' in client_config('unbound', '--server', 'fd00::53'), 'IPv6')
    status, _, err = run([ISTHMUS, 'client-config', 'unbound', '-conf', 'stdin'], stdin='. {\n cluster b.lan 10.1.0.0/16\n}\n')
    check(status == 2 and '--server IP' in err, 'it cannot be guessed', err)
    status, _, err = run([ISTHMUS, 'client-config', 'unbound', '-conf', 'stdin'], stdin='. {\n whoami\n}\n')
    check(status == 1 and 'no `cluster` lines' in err, 'without clusters', err)


def test_without_a_file_it_is_that_of_the_server_or_of_the_folder():
    here, elsewhere = os.path.dirname(corefile()), folder('elsewhere')
    socket, running = f'{elsewhere}/control', write(f'{elsewhere}/of-the-server', '.:@PORT@ {\n    bind 127.0.0.1\n    cluster c.lan 10.9.0.0/16\n}\n'.replace('@PORT@', str(free_port())))
    command = ['sh', '-c', f'cd {here} && exec {ISTHMUS} client-config unbound --server 192.0.2.9 --control {socket}']
    status, out, err = run(command)
    equal((status, err), (0, 'isthmus client-config: Corefile, of this folder\n'), 'no server')
    check('"cluster-b.local."' in out, 'its clusters', out)
    server = Process([ISTHMUS, '-conf', running, '-control', socket], 'server', cwd=elsewhere)
    wait_until(lambda: 'isthmus-' in server.output(), 10, 'the banner')
    status, out, err = run(command)
    equal((status, err), (0, f"isthmus client-config: {os.path.realpath(running)}, the running server's\n"), 'a server')
    check('"c.lan."' in out and 'cluster-b' not in out, 'its clusters', out)
    server.stop()


def test_json_holds_the_text_and_its_place():
    found = json.loads(client_config('unbound', '--json'))
    equal((found['kind'], found['server'], found['path']),
          ('unbound', '10.0.0.53:53', '/etc/unbound/unbound.conf.d/isthmus.conf'), 'JSON')
    check(client_config('unbound').endswith(found['text']) and 'forward-zone:' in found['text'], 'the same text')


def test_our_own_reader_takes_the_lines_for_coredns():
    for options in ((), ('--reverse',)):
        path = write(os.path.join(folder('client'), 'Corefile'), client_config('coredns', *options))
        status, out, _ = run([ISTHMUS, 'check', '--offline', '-conf', path])
        check(status == 0 and 'no errors' in out, f'{options}', out)


# ---- what the programs make of it ----

@harness.namespace(*HERE)
def test_unbound():
    clusters()
    home = folder('unbound')
    text = client_config('unbound', '--reverse')
    path = write(f'{home}/unbound.conf', text + f'''server:
    interface: 10.0.0.1
    access-control: 10.0.0.0/8 allow
    username: ""
    chroot: ""
    directory: "{home}"
    pidfile: ""
    use-syslog: no
    logfile: ""
    private-address: 10.0.0.0/8
    module-config: "validator iterator"
    trust-anchor: ". DS 20326 8 2 E06D44B80B8F1D39A95C0B0D7C65D08458E880409BBC683457104237C7F8EC8D"
    trust-anchor-signaling: no
    do-daemonize: no
remote-control:
    control-enable: no
''')
    status, out, err = run([need('unbound-checkconf'), path])
    equal(status, 0, f'unbound-checkconf: {out}{err}')
    server = Process([need('unbound'), '-d', '-c', path], 'unbound')
    resolves('10.0.0.1')
    server.stop()


@harness.namespace(*HERE)
def test_dnsmasq():
    clusters()
    path = write(os.path.join(folder('dnsmasq'), 'isthmus.conf'), client_config('dnsmasq', '--reverse'))
    status, out, err = run([need('dnsmasq'), '--test', '-C', path])
    equal(status, 0, f'dnsmasq --test: {out}{err}')
    server = Process([need('dnsmasq'), '-d', '-C', path, '--listen-address=10.0.0.1', '--bind-interfaces', '--no-resolv',
                      '--no-hosts', '--bogus-priv', '--stop-dns-rebind', '--user=root', '--pid-file='], 'dnsmasq')
    resolves('10.0.0.1')
    server.stop()


# Runs in a mount namespace of its own: its files, and a user that it insists on, root here.
RESOLVED = '''set -e
mount -t tmpfs none /run
mkdir -p /run/systemd/resolve /run/systemd/resolved.conf.d
chmod 755 /run/systemd/resolve
cp "$1" /run/systemd/resolved.conf.d/isthmus.conf
{ grep -v '^systemd-resolve:' /etc/passwd; echo 'systemd-resolve:x:0:0::/:/bin/false'; } >/run/passwd
mount --bind /run/passwd /etc/passwd
SYSTEMD_LOG_TARGET=console exec "$2"
'''


@harness.namespace(*HERE)
def test_systemd_resolved():
    clusters()
    program = need('systemd-resolved')
    harness.black_hole()  # a link, without which it believes that there is no network
    subprocess.run(['ip', 'addr', 'add', '10.9.0.1/32', 'dev', 'hole'], check=True)
    text = client_config('resolved', '--reverse')
    path = write(os.path.join(folder('resolved'), 'isthmus.conf'), text)
    server = Process(['unshare', '-m', 'sh', '-c', RESOLVED, 'sh', path, program], 'resolved')
    resolves('127.0.0.53')
    said = server.output() + server.errors()
    check('ignoring' not in said and 'Unknown' not in said and 'Failed to parse' not in said, 'it takes every line', said)
    server.stop()


@harness.namespace(*HERE)
def test_coredns():
    program = os.environ.get('COREDNS')
    if not program or shutil.which(program) is None:
        raise harness.Skip('COREDNS=path names none')
    clusters()
    home = folder('coredns')
    b = world.standard_b()
    for zone, text in b.zones().items():
        write(f'{home}/{zone}.zone', text)
    own = f'''cluster.local:53 {{
    bind 10.0.0.1
    file {home}/cluster.local.zone
}}
'''
    text = client_config('coredns', '--reverse').replace('    errors\n', '    bind 10.0.0.1\n    errors\n')
    path = write(f'{home}/Corefile', text + own)
    server = Process([program, '-conf', path], 'coredns')
    resolves('10.0.0.1')
    equal(short('10.0.0.1', 'kubernetes.default.svc.cluster-a.local.'), ['10.100.0.1'], 'the API of the other cluster')
    equal(short('10.0.0.1', 'kubernetes.default.svc.cluster.local.'), ['10.101.0.1'], 'its own stays its own')
    server.stop()


if __name__ == '__main__':
    harness.main()
