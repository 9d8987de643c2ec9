#!/usr/bin/env python3
"""`isthmus check`: what is wrong with a Corefile, and with each cluster. Story 10, what lint
says, and a thousand clusters of which fifty are broken in ten ways, each with real servers in a
network namespace where all of 10.0.0.0/8 is local but for what is taken out of it.
"""
import contextlib
import fcntl
import functools
import ipaddress
import json
import os
import pty
import re
import signal
import socket
import struct
import subprocess
import termios
import threading

import harness
import peers
import world
from harness import ISTHMUS, Isthmus, ask, check, equal, folder, namespace, run, wait_until, write

INSIDE = ('192.0.2.1',)


def corefile(text):
    return write(os.path.join(folder('check'), 'Corefile'), text)


def checked(text, *options):
    """(status, output) of a check of this Corefile."""
    status, out, err = run([ISTHMUS, 'check', '-conf', corefile(text), *options], timeout_s=60)
    equal(err, '', 'nothing on standard error')
    return status, out


def flat(text):
    return re.sub(r'\s+', ' ', text)


# ---- the file ----

ALL_WELL = '''. {
    bind 127.0.0.1
    cluster b.lan 10.101.0.0/19
    forward . 192.0.2.1
    cache
}
'''


def test_a_file_without_faults_has_nothing_said_of_it():
    status, out = checked(ALL_WELL, '--offline')
    equal(status, 0, 'status')
    check(re.fullmatch(r'\S+/Corefile: no errors, 0 warnings; 1 cluster, not asked\n', out), 'one line', out)


def test_every_error_is_told_with_its_line():
    status, out = checked('''. {
    cluster a.lan 10.96.0.0/16
    cluster b.lan 10.97.0.1/16
    cluster c.lan 10.112.0.0/29
    forwad . 192.0.2.1
    cluster d.lan 10.113.0.0/16 {
        domian x
    }
}
''', '--offline')
    equal(status, 2, 'status')
    for line, says in ((3, 'did you mean 10.97.0.0/16?'), (4, 'lies outside the subnet'), (5, "did you mean 'forward'"),
                       (7, "did you mean 'domain'")):
        check(re.search(rf'^\S+/Corefile:{line} - .*{re.escape(says)}', out, re.M), f'line {line} is told', out)
    status, out = checked('. {\n cluster a.lan 10.96.0.0/16\n cluster b.lan 10.96.0.0/12\n}\n', '--offline')
    check(status == 2 and re.search(r'Corefile:3 - .* 10\.96\.0\.0/12 of b\.lan contains .* of a\.lan', out), 'subnets that overlap', out)


def test_what_may_not_be_meant_is_told():
    for text, place, says in (
            ('. {\n cluster b.lan 10.96.0.0/12\n cache\n}\n', 1, 'warning: open to the world'),
            ('b.lan {\n cluster b.lan 10.96.0.0/12\n cache\n acl {\n allow net 10.0.0.0/8\n block\n }\n}\n', 2,
             'warning: reverse names of b.lan are never asked of this block: add 10.96.0.0/12'),
            ('b.lan {\n whoami\n cache 30 c.lan\n}\n', 3, 'warning: this cache never holds anything of c.lan.'),
            ('b.lan {\n chaos\n cache\n}\n', 3, 'warning: this cache never holds anything: no plugin'),
            ('. {\n bind 127.0.0.1\n cluster b.lan 10.96.0.0/12\n}\n', 1, 'note: clusters without `cache`'),
            ('. {\n bind 127.0.0.1\n cache\n cluster b.local 10.96.0.0/12\n}\n', 4,
             'note: zone b.local ends in .local; multicast DNS clients may not send it here'),
    ):
        status, out = checked(text, '--offline')
        equal(status, 0, f'{says}: no error')
        found = re.findall(r'^\S+/Corefile:(\d+) - (.*)$', out, re.M)
        check([int(line) for line, said in found] == [place] and found[0][1].startswith(says), says, out)


def test_many_findings_of_one_kind_are_counted():
    lines = ''.join(f' cluster c{i}.local 10.{i}.0.0/16\n' for i in range(20))
    _, out = checked('. {\n bind 127.0.0.1\n cache\n' + lines + '}\n', '--offline')
    equal(len(re.findall('ends in .local', out)), 5, 'five are told')
    check('15 more like "zone  ..." (all with --json)' in out, 'the rest is counted', out)
    _, out = checked('. {\n bind 127.0.0.1\n cache\n' + lines + '}\n', '--offline', '--json')
    equal(len(json.loads(out)['findings']), 20, 'JSON has all')


def test_nothing_is_asked_offline():
    status, out = checked('. {\n bind 127.0.0.1\n forward . some.invalid\n}\n', '--offline', '--json')
    equal((status, json.loads(out)['findings']), (0, []), 'host names are not looked up')
    equal(run([ISTHMUS, 'check', '-conf', '/nonexistent/Corefile'])[0], 2, 'a file that is not there')
    done = subprocess.run([ISTHMUS, 'check'], cwd=folder('empty'), capture_output=True, text=True, check=False)
    equal((done.returncode, done.stdout), (2, 'there is no Corefile in this folder: name one with --conf FILE\n'), 'none')


def test_without_a_file_it_is_that_of_the_server():
    path, here = os.path.join(folder('control'), 'socket'), folder('here')
    write(os.path.join(here, 'Corefile'), '. {\n whoami\n}\n')
    server = harness.isthmus('    whoami', ('-control', path))
    wait_until(lambda: os.path.exists(path), 10, 'the control socket')

    def first(*words):
        done = subprocess.run([ISTHMUS, 'check', '--control', path, *words], cwd=here, capture_output=True, text=True, check=False)
        return done.stdout.split('\n')[0]
    of_server, of_folder = f"checks {os.path.realpath(server.corefile)}, the running server's", 'checks Corefile, of this folder'
    equal(first(), of_server, 'of the server')
    equal(first('--offline'), of_folder, 'nobody is asked')
    check(not first('Corefile').startswith('checks'), 'one that is named')
    server.stop()
    equal(first(), of_folder, 'no server')


# ---- the network of the rest ----

def ip(*words):
    subprocess.run(['ip', *words], check=True)


@functools.cache
def network():
    """All of 10.0.0.0/8 is here, and has a TCP server on port 443."""
    ip('route', 'add', 'local', '10.0.0.0/8', 'dev', 'lo', 'table', 'local')
    harness.black_hole()
    https = socket.socket()
    https.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    https.bind(('0.0.0.0', 443))
    https.listen(4096)

    def accept():
        while True:
            https.accept()[0].close()
    threading.Thread(target=accept, daemon=True).start()


def unreachable(cidr):
    ip('route', 'replace', 'unreachable', cidr, 'table', 'local')


def cluster(services, pods='10.50.0.0/16', **more):
    return world.Cluster('x', services, pods, **more)


def nsd(one, **more):
    return peers.Nsd(one.zones(), [str(one.services[10])], 53, **more)


def tcp_records(one):
    records = [f'{owner}.{one.domain}. {kind} {data}' for owner, kind, data in one.records
               if kind in ('A', 'TXT')]
    return records + [f'{ipaddress.ip_address(a).reverse_pointer}. PTR {name}' for a, name in one.pointers]


def line(out, zone):
    """What is said of a zone, on one line."""
    found = re.search(rf'^{re.escape(zone)} .*(?:\n .*)*', out, re.M)
    return flat(found[0]) if found else ''


# ---- stories ----

@namespace(*INSIDE)
def test_story_10_it_does_not_work_find_out_why():
    network()
    servers = [
        nsd(cluster('10.100.0.0/19')),
        nsd(cluster('10.101.0.0/19', domain='corp.example')),
        nsd(cluster('10.106.32.0/19', domain='cluster.local')),
    ]
    g = cluster('10.106.0.0/19')
    g.pointers = [p for p in g.pointers if p[0] != '10.106.0.1']
    servers.append(nsd(g))
    h = cluster('10.107.0.0/19')
    servers.append(peers.UnboundTcp(tcp_records(h), ['10.107.0.10'], 53))
    unreachable('10.104.0.0/19')
    harness.black_hole('10.105.0.10/32')
    names = {'a': 100, 'b': 101, 'e': 104, 'f': 105, 'g': 106, 'h': 107}
    status, out = checked('. {\n bind 10.0.0.53\n cache\n' + ''.join(
        f' cluster cluster-{name}.local 10.{n}.0.0/19\n' for name, n in names.items()) + '}\n')
    equal(status, 2, 'exit status')
    check(re.fullmatch(r'cluster-a\.local ok 10\.100\.0\.10 \d+\.\d ms domain cluster\.local spec 1\.1\.0',
                       line(out, 'cluster-a.local')), 'a is well', line(out, 'cluster-a.local'))
    for zone, says in (
            ('cluster-b.local', 'cluster-b.local WRONG DOMAIN 10.101.0.10 answers, but says its names end in corp.example. '
             '(PTR 10.101.0.10 = kube-dns.kube-system.svc.corp.example.) fix: domain corp.example'),
            ('cluster-e.local', 'cluster-e.local NO ROUTE 10.104.0.10: host unreachable'),
            ('cluster-f.local', 'cluster-f.local FILTERED 10.105.0.10: udp and tcp silent, but 10.105.0.1:443 answers: DNS is '
             'blocked, or the CNI does not serve ClusterIPs for UDP from outside (Calico eBPF; Cilium: '
             'bpf.lbExternalClusterIP)'),
            ('cluster-g.local', 'cluster-g.local WRONG CLUSTER PTR 10.106.0.1 is not kubernetes.default: Services subnet is '
             'not 10.106.0.0/19'),
            ('cluster-h.local', 'cluster-h.local TCP ONLY udp closed, tcp ok: using tcp')):
        check(line(out, zone).startswith(says), zone, line(out, zone))
    check('note: zone cluster-h.local ends in .local; multicast DNS clients may not send it here' in out
          or 'more like "zone' in out, 'the note', out)
    check(out.endswith('6 clusters: 1 ok, 1 NO ROUTE, 1 FILTERED, 1 WRONG DOMAIN, 1 WRONG CLUSTER, 1 TCP ONLY\n'),
          'the sum', out[-200:])
    for server in servers:
        server.stop()


@namespace(*INSIDE)
def test_story_6_a_clusters_dns_goes_away():
    network()
    a, b = nsd(cluster('10.120.0.0/19')), nsd(cluster('10.121.0.0/19'))
    path = os.path.join(folder('control'), 'socket')
    text = ('. {\n bind 10.0.0.53\n errors\n cache 30\n cluster a.lan 10.120.0.0/19\n'
            ' cluster b.lan 10.121.0.0/19 {\n health_check 100ms\n }\n}\n')
    server = Isthmus(text, ('-control', path), address='10.0.0.53', port=53)
    wait_until(lambda: os.path.exists(path), 10, 'the control socket')
    equal(checked(text)[0], 0, 'both are well')
    equal(ask(server, 'kubernetes.default.svc.b.lan').data, ['10.121.0.1'], 'a name is kept')
    harness.black_hole('10.121.0.0/19')
    wait_until(lambda: ask(server, 'other.web.svc.b.lan').ede, 20, 'its DNS is known to be silent')
    wait_until(lambda: re.search(r'DOWN \d+s', checked(text, '--control', path)[1]), 20, 'the server knows since when')
    status, out = checked(text, '--control', path)
    equal(status, 1, 'exit status')
    check(re.match(r'a\.lan {5}ok {8}10\.120\.0\.10  \d+\.\d ms  domain cluster\.local  spec 1\.1\.0\n'
                   r'b\.lan {5}DOWN \d+s {1,3}10\.121\.0\.10  timeout on udp and tcp; serving stale \(1 name\)\n', out),
          'the transcript', out)
    found = json.loads(checked(text, '--control', path, '--json')[1])['clusters'][1]
    check(found['stale'] == 1 and found['failing_s'] > 0 and not found['drained'], 'and as JSON', found)
    run([ISTHMUS, 'drain', 'b.lan', '--control', path])
    check(') drained' in flat(checked(text, '--control', path)[1]), 'drained', out)
    for one in (server, a, b):
        one.stop()


@namespace(*INSIDE)
def test_a_file_that_the_server_has_not_loaded_is_told():
    path = os.path.join(folder('control'), 'socket')
    server = Isthmus('. {\n bind 127.0.0.1\n whoami\n}\n', ('-control', path), port=53)
    wait_until(lambda: os.path.exists(path), 10, 'the control socket')

    def told():
        return run([ISTHMUS, 'check', server.corefile, '--control', path])[1]
    check(told().endswith('/Corefile: no errors, 0 warnings; 0 clusters\n'), 'it has loaded this file', told())
    write(server.corefile, '. {\n bind 127.0.0.1\n whoami\n errors\n}\n')
    check('note: the running server has loaded another state of' in told(), 'not yet', told())
    write(server.corefile, '. {\n bind 127.0.0.1\n whoam\n}\n')
    server.popen.send_signal(signal.SIGHUP)
    wait_until(lambda: 'Unknown directive' in server.log(), 10, 'the server has refused it')
    write(server.corefile, '. {\n bind 127.0.0.1\n whoami\n debug\n}\n')
    check('warning: the running server refused' in told(), 'refused', told())
    server.stop()


@namespace(*INSIDE)
def test_story_9_another_is_rejected():
    network()
    c = nsd(cluster('10.127.0.0/19'))
    home = folder('inventory')
    write(os.path.join(home, 'c.json'), '{"name":"cluster-c","zone":"cluster-c.lan","services":["10.127.0.0/19"]}')
    text = f'. {{\n bind 10.0.0.53\n cache\n inventory {home}\n}}\n'
    status, out = checked(text)
    check(status == 0 and re.match(r'cluster-c\.lan  ok ', out), 'it has joined', out)
    write(os.path.join(home, 'd.json'), '{"name":"cluster-d","zone":"cluster-d.lan","services":["10.127.16.0/20"]}')
    os.utime(os.path.join(home, 'c.json'), (1, 1))  # the older one stays
    status, out = checked(text)
    equal(status, 1, 'exit status')
    check(re.search(r'^cluster-d\s+REJECTED  Service subnet 10\.127\.16\.0/20 of cluster-d\.lan lies inside Service subnet '
                    r'10\.127\.0\.0/19 of cluster-c\.lan .* \(\S+/d\.json:1\)$', out, re.M), 'the other is rejected', out)
    check(re.search(r'^cluster-c\.lan  ok ', out, re.M), 'and the first stays', out)
    equal([r['name'] for r in json.loads(checked(text, '--json')[1])['rejected']], ['cluster-d'], 'JSON')
    os.utime(write(os.path.join(home, 'd.json'), '{"name":'), (1, 1))  # a new one may be half written
    status, out = checked(text)
    check(status == 1 and 'd.json:1: no JSON' in out and 'cluster-c.lan  ok' in out, 'a file that cannot be read', out)
    c.stop()


def test_inventories_over_the_network_are_not_asked_offline():
    state = folder('state')
    text = f'. {{\n bind 127.0.0.1\n inventory https://inventory.invalid/ {{\n state {state}\n }}\n}}\n'
    status, out = checked(text, '--offline')
    check(status == 0 and 'https://inventory.invalid/ is not asked' in out, 'told', out)
    equal(os.listdir(state), [], 'nothing is written')


# ---- what else can be wrong ----

@namespace(*INSIDE)
def test_an_address_of_two_that_is_down_leaves_the_cluster_working():
    network()
    server = nsd(cluster('10.122.0.0/19'))
    harness.black_hole('10.122.0.11/32')
    status, out = checked('. {\n bind 10.0.0.53\n cache\n cluster a.lan 10.122.0.0/19 {\n dns 10.122.0.10 10.122.0.11\n }\n}\n')
    equal(status, 1, 'exit status')
    check('FILTERED  10.122.0.11: ' in out and '(1 of 2 addresses ok)' in out, 'the broken one is told', out)
    server.stop()


@namespace(*INSIDE, 'fd00:c::a')
def test_a_dual_stack_cluster_has_kubernetes_in_one_family_only():
    network()
    one = cluster('10.125.0.0/19', services6='fd00:c::/112')
    owner = one.absolute('kube-dns.kube-system.svc')
    one.pointers.append(('fd00:c::a', owner))
    server = peers.Nsd(one.zones(), ['10.125.0.10', 'fd00:c::a'], 53)
    for subnets in ('10.125.0.0/19 fd00:c::/112', 'fd00:c::/112 10.125.0.0/19'):
        status, out = checked(f'. {{\n bind 10.0.0.53\n cache\n cluster a.lan {subnets}\n}}\n')
        check(status == 0 and ' ok ' in out, f'{subnets}: both are well', out)
    status, out = checked('. {\n bind 10.0.0.53\n cache\n cluster a.lan fd00:c::/112\n}\n')
    check(status == 2 and 'WRONG CLUSTER' in out, 'alone it would not be', out)
    server.stop()


@namespace(*INSIDE)
def test_names_that_do_not_lead_back_are_told_when_asked_for():
    network()
    one = cluster('10.123.0.0/19')
    one.records = [r for r in one.records if r[0] != 'kubernetes.default.svc' or r[1] != 'A']
    one.address('kubernetes.default.svc', '10.123.9.9')
    server = nsd(one)
    text = '. {\n bind 10.0.0.53\n cache\n cluster a.lan 10.123.0.0/19\n}\n'
    equal(checked(text)[0], 0, 'not asked for')
    status, out = checked(text, '--fcrdns')
    check(status == 1 and 'UNCONFIRMED' in out, 'asked for', out)
    server.stop()


@namespace(*INSIDE)
def test_a_cluster_with_dns_addresses_only_is_known_by_its_version():
    network()
    server = nsd(cluster('10.124.0.0/19'))
    text = '. {\n bind 10.0.0.53\n cache\n cluster a.lan {\n dns 10.124.0.10\n domain @\n }\n}\n'
    status, out = checked(text.replace('@', 'cluster.local'))
    check(status == 0 and ' ok ' in out, 'the domain it has', out)
    status, out = checked(text.replace('@', 'corp.example'))
    check(status == 2 and 'WRONG DOMAIN' in out and 'fix: domain cluster.local' in out, 'another', out)
    server.stop()


# ---- on a terminal ----

def on_terminal(text, **env):
    """What a check prints on a terminal of 80 columns: (standard output and error together)."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 80, 0, 0))
    environment = {**os.environ, 'TERM': 'xterm', **env}
    with subprocess.Popen([ISTHMUS, 'check', corefile(text)], stdin=theirs, stdout=theirs, stderr=theirs,
                          env=environment) as process:
        os.close(theirs)
        said = b''
        with contextlib.suppress(OSError):  # the end of a terminal
            while octets := os.read(ours, 65536):
                said += octets
        process.wait()
    os.close(ours)
    return said.decode().replace('\r\n', '\n')


@namespace(*INSIDE)
def test_colours_and_progress_are_for_terminals_only():
    network()
    server = nsd(cluster('10.125.0.0/19'))
    harness.black_hole('10.126.0.0/19')
    text = '. {\n bind 10.0.0.53\n cache\n cluster a.lan 10.125.0.0/19\n cluster b.lan 10.126.0.0/19\n}\n'
    said = on_terminal(text)
    check('\x1b[32mok      \x1b[0m' in said and '\x1b[33mDOWN    \x1b[0m' in said, 'colours', said)
    visible = re.sub(r'\x1b\[\d*[mK]', '', said)
    check(all(len(row.rpartition('\r')[2]) <= 80 for row in visible.split('\n')), 'lines are broken between words', visible)
    plain = on_terminal(text, NO_COLOR='1')
    check('\x1b[3' not in plain, 'NO_COLOR', plain)
    check('\x1b' not in on_terminal(text, NO_COLOR='', TERM='dumb').replace('\x1b[K', ''), 'a terminal that knows none')
    _, out = checked(text)
    check('\x1b' not in out and 'of 2' not in out, 'neither in a pipe', out)
    server.stop()


# ---- a fleet ----

FLEET = 1000
BROKEN = ('NO ROUTE', 'DOWN', 'FILTERED', 'CLOSED', 'REFUSED', 'WRONG DOMAIN', 'WRONG CLUSTER', 'NO REVERSE',
          'TCP ONLY', 'NAMES ONLY')


class Member:
    """Cluster number i of the fleet, and how it is broken: each twentieth, in turn."""

    def __init__(self, i):
        self.zone = f'c{i}.lan'
        self.state = BROKEN[i // 20 % len(BROKEN)] if i % 20 == 7 else 'ok'
        base = ipaddress.ip_address('10.128.0.0') + i * 1024
        self.services = ipaddress.ip_network(f'{base}/22')
        self.first, self.dns = str(base + 1), str(base + 10)

    def one(self):
        return cluster(str(self.services), domain='corp.example' if self.state == 'WRONG DOMAIN' else 'cluster.local')


def fleet_zones(members):
    """One server plays many clusters: they differ in their reverse names only."""
    zones = members[0].one().zones()
    zones['in-addr.arpa'] += ''.join(
        f'{ipaddress.ip_address(address).reverse_pointer}. PTR {name}.svc.{members[0].one().domain}.\n'
        for m in members[1:] for address, name in ((m.first, 'kubernetes.default'), (m.dns, 'kube-dns.kube-system'))
        if m.state != 'WRONG CLUSTER' or address == m.dns)
    return zones


def fleet_servers(fleet):
    def those(*states):
        return [m for m in fleet if m.state in states]

    def serve(zones, members):
        return peers.Nsd(zones, [m.dns for m in members], 53)
    whole = those('ok', 'WRONG CLUSTER', 'NAMES ONLY')
    without = those('NO REVERSE')
    forward_only = {**without[0].one().zones(), 'in-addr.arpa': world.zone('in-addr.arpa', [])}
    tcp = those('TCP ONLY')
    records = list(dict.fromkeys(r for m in tcp for r in tcp_records(m.one())))
    return [serve(fleet_zones(whole), whole),
            serve({'other.example': world.zone('other.example', [])}, those('REFUSED')),
            serve(fleet_zones(those('WRONG DOMAIN')), those('WRONG DOMAIN')),
            serve(forward_only, without),
            peers.UnboundTcp(records, [m.dns for m in tcp], 53)]


@namespace(*INSIDE)
def test_a_thousand_clusters_are_checked_and_each_cause_is_named():
    network()
    fleet = [Member(i) for i in range(FLEET)]
    for m in fleet:
        if m.state == 'NO ROUTE':
            unreachable(str(m.services))
        elif m.state == 'DOWN':
            harness.black_hole(str(m.services))
        elif m.state == 'FILTERED':
            harness.black_hole(f'{m.dns}/32')
        elif m.state == 'NAMES ONLY':
            harness.black_hole(f'{m.first}/32')
    servers = fleet_servers(fleet)
    text = '. {\n bind 10.0.0.53\n cache\n' + ''.join(f' cluster {m.zone} {m.services}\n' for m in fleet) + '}\n'
    status, out = checked(text, '--json')
    equal(status, 2, 'exit status')
    found = {c['zone']: c['state'] for c in json.loads(out)['clusters']}
    wrong = [(m.zone, m.state, found.get(m.zone)) for m in fleet if found.get(m.zone) != m.state]
    equal(wrong, [], 'every cause is named')
    equal(len([m for m in fleet if m.state != 'ok']), 50, 'fifty are broken')
    status, out = checked(text, '--problems')
    equal((status, len(re.findall(r'^c\d+\.lan ', out, re.M))), (2, 50), 'a line for each that is broken')
    for server in servers:
        server.stop()


if __name__ == '__main__':
    harness.main()
