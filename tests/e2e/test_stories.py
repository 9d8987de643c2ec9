#!/usr/bin/env python3
# e2e: quick
"""The stories of users, line by line: a VM asks for a Service, a database client uses SRV,
reverse look-ups land in the right cluster, a cluster's own DNS uses us as a stub, a cluster's
DNS goes away. Once with the real addresses of two clusters and port 53 inside a network
namespace, and once with loopback addresses and high ports, which needs no privilege.

The clusters are NSD and BIND; the normal upstream is NSD or, where questions are counted, a
scripted server.
"""
import functools
import re
import time

import harness
import peers
import world
from harness import Isthmus, ask, check, dig, equal, free_port, isthmus, loopback_net, namespace, need, within

REAL = ('10.100.0.10', '10.101.0.10', '10.102.0.10', '10.0.0.53', '192.0.2.1')


class Bench:
    """The program in front of three clusters and a normal upstream; `b` is the BIND among them,
    which keeps letter case and logs questions, `c` a Knot, which gives every address."""

    def __init__(self, b, server):
        self.b, self.server = b, server

    def dig(self, *words):
        return dig(self.server, *words)

    def short(self, *words):
        return self.dig('+short', *words).split('\n')[:-1]


@functools.cache
def loopback_bench():
    net, port = loopback_net(), free_port()
    a = peers.Nsd(world.standard_a().zones(), [f'{net}.10'], port)
    b = peers.Bind(world.standard_b().zones(), ['127.0.0.1'], free_port())
    internet = peers.Nsd(world.internet(), [f'{net}.1'], port)
    c = peers.Knot(world.standard_b().zones(), [f'{net}.12'], port)
    server = isthmus(f'''
    cluster cluster-a.local 10.100.0.0/19 {{
        pods 10.50.0.0/16
        dns {net}.10:{port}
    }}
    cluster cluster-b.local 10.101.0.0/19 fd00:b::/112 {{
        pods 10.51.0.0/16 fd00:b:1::/64
        dns 127.0.0.1:{b.port}
    }}
    cluster cluster-c.local 10.102.0.0/19 {{
        dns {c.address}:{port}
    }}
    forward . {internet.address}:{port}''')
    return Bench(b, server)


@functools.cache
def real_bench():
    peers.Nsd(world.standard_a().zones(), ['10.100.0.10'], 53)
    b = peers.Bind(world.standard_b().zones(), ['10.101.0.10'], 53)
    peers.Knot(world.standard_b().zones(), ['10.102.0.10'], 53)
    peers.Nsd(world.internet(), ['192.0.2.1'], 53)
    server = Isthmus('''.:53 {
    bind 10.0.0.53
    cluster cluster-a.local {
        services 10.100.0.0/19
        pods 10.50.0.0/16
    }
    cluster cluster-b.local {
        services 10.101.0.0/19
        pods 10.51.0.0/16 fd00:b:1::/64
    }
    cluster cluster-c.local 10.102.0.0/19
    forward . 192.0.2.1
    errors
}
''', address='10.0.0.53', port=53)
    return Bench(b, server)


# ---- story 1: a VM outside asks for a Service ----

def service_by_name(bench):
    lines = bench.dig('app.web.svc.cluster-b.local', 'A', '+noall', '+answer').split()
    equal(lines[:1] + lines[2:], ['app.web.svc.cluster-b.local.', 'IN', 'A', '10.101.7.21'], 'dig prints the record')
    check(len(lines) > 1 and 1 <= int(lines[1]) <= 30, 'the TTL is 1 to 30', lines)
    asked = bench.b.questions()[-1]
    equal((asked.name, asked.rdtype), ('app.web.svc.cluster.local', 'A'), 'what the cluster was asked')
    equal(bench.short('app.web.svc.cluster-a.local', 'A'), ['10.100.7.21'], 'the same name in the other cluster')


def spelling_is_kept(bench):
    text = bench.dig('App.WEB.svc.cluster-b.LOCAL', 'A', '+noall', '+question', '+answer')
    check(';App.WEB.svc.cluster-b.LOCAL.' in text, 'the question is echoed as it was spelled', text)
    check(re.search(r'^App\.WEB\.svc\.cluster-b\.LOCAL\.\s+\d+\s+IN\s+A\s+10\.101\.7\.21$', text, re.M),
          'the owner is spelled as the question', text)


def negative_answers(bench):
    soa = r'^cluster-b\.local\.\s+\d+\s+IN\s+SOA\s+ns\.dns\.cluster-b\.local\. hostmaster\.cluster-b\.local\. \d+ 7200'
    text = bench.dig('app.web.svc.cluster-b.local', 'AAAA', '+noall', '+comments', '+authority')
    check('status: NOERROR' in text and 'ANSWER: 0, AUTHORITY: 1' in text, 'a missing family is NODATA', text)
    check(re.search(soa, text, re.M), 'NODATA carries the SOA of the zone that was asked', text)
    text = bench.dig('nosuch.web.svc.cluster-b.local', 'A', '+noall', '+comments', '+authority')
    check('status: NXDOMAIN' in text, 'a name that is not there is NXDOMAIN', text)
    check(re.search(soa, text, re.M), 'NXDOMAIN carries the SOA of the zone that was asked', text)


def neighbours_are_not_mapped(bench):
    before = len(bench.b.questions())
    equal(bench.short('xcluster-b.local', 'A'), ['192.0.2.99'], 'xcluster-b.local is answered by the normal upstream')
    equal(bench.short('www.example.com', 'A'), ['192.0.2.80'], 'so is any other name')
    equal(len(bench.b.questions()), before, 'the cluster saw neither')


def domain_never_shows(bench):
    names = ['app.web.svc.cluster-b.local', 'App.WEB.svc.cluster-b.LOCAL', 'nosuch.web.svc.cluster-b.local',
             'cluster-b.local', 'db.web.svc.cluster-b.local', 'alias.web.svc.cluster-b.local',
             '_pg._tcp.db.web.svc.cluster-b.local', '21.7.101.10.in-addr.arpa', '99.7.101.10.in-addr.arpa']
    for name in names:
        for rdtype in ('A', 'AAAA', 'SRV', 'SOA', 'NS', 'PTR', 'ANY'):
            for tcp in (False, True):
                reply = ask(bench.server, name, rdtype, tcp=tcp)
                leaks = b'\x07cluster\x05local' in reply.wire.lower() or '.cluster.local.' in reply.text.lower()
                check(not leaks, f'cluster.local does not occur in {name} {rdtype}', reply.text)


# ---- story 2: a database client uses SRV on a headless service ----

def headless_srv(bench):
    text = bench.dig('_pg._tcp.db.web.svc.cluster-b.local', 'SRV', '+noall', '+answer', '+additional')
    lines = sorted(re.sub(r'\s+', ' ', line) for line in text.strip().split('\n'))
    lines = [re.sub(r' \d+ IN ', ' ', line) for line in lines if ' ns.dns.' not in line and not line.startswith('ns.')]
    equal([line for line in lines if ' AAAA ' not in line], [
        '_pg._tcp.db.web.svc.cluster-b.local. SRV 0 50 5432 db-0.db.web.svc.cluster-b.local.',
        '_pg._tcp.db.web.svc.cluster-b.local. SRV 0 50 5432 db-1.db.web.svc.cluster-b.local.',
        'db-0.db.web.svc.cluster-b.local. A 10.51.1.10',
        'db-1.db.web.svc.cluster-b.local. A 10.51.2.11'], 'SRV with its targets')
    equal(bench.short('db-1.db.web.svc.cluster-b.local'), ['10.51.2.11'], 'a target resolves when asked directly')
    equal(sorted(bench.short('db.web.svc.cluster-b.local')), ['10.51.1.10', '10.51.2.11'], 'the service has all endpoints')


def aliases(bench):
    reply = ask(bench.server, 'alias.web.svc.cluster-b.local')
    equal(reply.answer, ['alias.web.svc.cluster-b.local. CNAME app.web.svc.cluster-b.local.',
                         'app.web.svc.cluster-b.local. A 10.101.7.21'], 'an alias inside the cluster')
    reply = ask(bench.server, 'ext.web.svc.cluster-b.local')
    equal(reply.answer, ['ext.web.svc.cluster-b.local. CNAME www.example.com.', 'www.example.com. A 192.0.2.80'],
          'an alias outside: its target is untouched and resolved')


def overflow(bench):
    text = bench.dig('_pg._tcp.many.web.svc.cluster-c.local', 'SRV', '+notcp', '+bufsize=512', '+ignore')
    check(re.search(r'flags:[^;]* tc', text), 'forty endpoints do not fit 512 octets: TC', text)
    text = bench.dig('_pg._tcp.many.web.svc.cluster-c.local', 'SRV', '+bufsize=512', '+noall', '+answer', '+additional')
    equal(len(re.findall(r'\sSRV\s', text)), 40, 'SRV records by TCP')
    equal(len(re.findall(r'^n-\d\d\.\S+\s+\d+\s+IN\s+A\s', text, re.M)), 40, 'addresses by TCP')


# ---- story 3: reverse look-ups ----

def reverse(bench):
    equal(bench.short('-x', '10.101.7.21'), ['app.web.svc.cluster-b.local.'], 'a Service address of b')
    equal(bench.short('-x', '10.51.1.10'), ['db-0.db.web.svc.cluster-b.local.'], 'a Pod address of b')
    equal(bench.short('-x', '10.100.7.21'), ['app.web.svc.cluster-a.local.'], 'a Service address of a')
    equal(bench.short('-x', 'fd00:b:1::11'), ['db-1.db.web.svc.cluster-b.local.'], 'a Pod address, IPv6')
    text = bench.dig('-x', '10.101.31.254')
    check('status: NXDOMAIN' in text, 'an unused address of the subnet is NXDOMAIN', text)
    equal(bench.short('-x', '10.101.32.1'), ['outside.example.com.'], 'an address behind the subnet goes upstream')
    equal(bench.b.questions('1.32.101.10.in-addr.arpa'), [], 'and the cluster did not see it')


STORIES = (service_by_name, spelling_is_kept, negative_answers, neighbours_are_not_mapped, domain_never_shows,
           headless_srv, aliases, overflow, reverse)


def test_stories_on_loopback():
    need('dig')
    for story in STORIES:
        harness.run_one(story.__name__, lambda story=story: story(loopback_bench()))


@namespace(*REAL)
def test_stories_with_real_addresses():
    need('dig')
    for story in STORIES:
        harness.run_one(f'real {story.__name__}', lambda story=story: story(real_bench()))
    harness.stop_all()


def test_kdig_agrees():
    server = loopback_bench().server
    words = [need('kdig'), f'@{server.address}', '-p', str(server.port), 'app.web.svc.cluster-b.local', '+tcp', '+bufsize=1232']
    status, text, _ = harness.run(words)
    check(status == 0 and 'app.web.svc.cluster-b.local.' in text and '10.101.7.21' in text, 'kdig by TCP', text)
    check('WARNING' not in text and 'malformed' not in text, 'kdig has nothing to complain of', text)


# ---- story 4: a cluster's own DNS uses us as a stub ----

@namespace('10.100.0.10', '10.101.0.10', '10.0.0.53')
def test_stub_behind_a_cluster():
    server = Isthmus('''.:53 {
    bind 10.0.0.53
    cluster cluster-a.local 10.100.0.0/19
    cluster cluster-b.local 10.101.0.0/19
    log
}
''', address='10.0.0.53', port=53)
    names = ['cluster-a.local', 'cluster-b.local']
    own = peers.BindResolver(names, server, ['10.100.0.10'], 53, own=world.standard_a().zones())
    other = peers.Nsd(world.standard_b().zones(), ['10.101.0.10'], 53)
    equal(ask(own, 'app.web.svc.cluster-b.local').data, ['10.101.7.21'], 'a pod of a asks for a Service of b')
    equal(ask(own, 'kubernetes.default.svc.cluster-a.local').data, ['10.100.0.1'],
          'its own cluster by its global name: a, isthmus, a')
    before = len(server.output())
    equal(ask(own, 'kubernetes.default.svc.cluster.local').data, ['10.100.0.1'], 'a local name')
    equal(server.output()[before:], '', 'a local name never left the cluster')
    equal(len(own.questions('kubernetes.default.svc.cluster-a.local')), 1, 'the global name made no loop')
    equal(ask(own, 'nosuch.web.svc.cluster-b.local').rcode, 'NXDOMAIN', 'a miss')
    ask(own, 'nosuch.web.svc.cluster-b.local')
    harness.wait_until(lambda: 'nosuch' in server.output(), 5, 'the log line of a miss')
    equal(len(re.findall(r'A IN nosuch\.', server.output())), 1, 'a second miss comes from its negative cache')
    equal(own.complaints(), [], 'nothing to complain of')
    other.stop()
    own.stop()
    server.stop()


# ---- story 6: a cluster's DNS goes away (without a cache) ----

def test_cluster_goes_away():
    net, port = loopback_net(), free_port()
    a = peers.Nsd(world.standard_a().zones(), [f'{net}.10'], port)
    b = peers.Nsd(world.standard_b().zones(), [f'{net}.11'], port)
    server = isthmus(f'''
    cluster cluster-a.local {{
        dns {net}.10:{port}
    }}
    cluster cluster-b.local {{
        dns {net}.11:{port}
    }}''')
    equal(ask(server, 'app.web.svc.cluster-b.local').data, ['10.101.7.21'], 'before')
    b.freeze()
    for i in range(4):
        reply = ask(server, f'gone-{i}.web.svc.cluster-b.local')
    equal(reply.rcode, 'SERVFAIL', 'a name never asked before')
    equal([code for code, _ in reply.ede], [22], 'the extended error says: silent')
    text = reply.ede[0][1] if reply.ede else ''
    check('cluster-b' in text and f'{net}.11' in text, 'its text names cluster and address', text)
    check(len(text) <= 60, 'and is at most 60 characters', text)
    reply = ask(server, 'known-dead.web.svc.cluster-b.local')
    within(reply.ms, 30, 'a cluster known to be dead is answered for at once')
    reply = ask(server, 'app.web.svc.cluster-a.local')
    equal(reply.data, ['10.100.7.21'], 'the other cluster is unaffected')
    within(reply.ms, 30, 'and as quick as before')
    b.thaw()
    began = time.monotonic()
    harness.wait_until(lambda: ask(server, 'app.web.svc.cluster-b.local').rcode == 'NOERROR', 6, 'b is back')
    within((time.monotonic() - began) * 1000, 1000, 'good answers after its return')
    reply = ask(server, 'app.web.svc.cluster-b.local')
    equal((reply.data, reply.ede), (['10.101.7.21'], []), 'fresh answers, no extended error')
    a.stop()


if __name__ == '__main__':
    harness.main()
