#!/usr/bin/env python3
"""Resolvers as clients: Unbound and BIND forward to us, and both check what they are told. They must
accept every answer without complaint, and keep negative ones: a miss asked twice reaches
the cluster once.
"""
import functools

import badup
import harness
import peers
import world
from harness import ask, check, equal, free_port, isthmus, loopback_net

ZONE = 'cluster-b.local'
ZONES = (ZONE, 'cluster-a.local', 'in-addr.arpa', 'example.com')


@functools.cache
def bench():
    """(the program, cluster b as a BIND that logs questions)."""
    net, port = loopback_net(), free_port()
    a = peers.Nsd(world.standard_a().zones(), [f'{net}.10'], port)
    b = peers.Bind(world.standard_b().zones(), ['127.0.0.1'], free_port())
    internet = peers.Nsd(world.internet(), [f'{net}.11'], port)
    server = isthmus(f'''
    cluster cluster-a.local 10.100.0.0/19 {{
        dns {a.address}:{port}
    }}
    cluster {ZONE} 10.101.0.0/19 {{
        pods 10.51.0.0/16
        dns 127.0.0.1:{b.port}
    }}
    forward . {internet.address}:{port}''')
    return server, b


@functools.cache
def clients():
    server, _ = bench()
    return {'Unbound': peers.Unbound(server, f'{loopback_net()}.20', free_port()),
            'BIND': peers.BindResolver(ZONES, server, ['127.0.0.1'], free_port())}


def test_positive_answers_are_accepted():
    for who, client in clients().items():
        for name, rdtype, data in (
                ('app.web.svc.cluster-b.local', 'A', ['10.101.7.21']), ('app.web.svc.cluster-a.local', 'A', ['10.100.7.21']),
                ('dual.web.svc.cluster-b.local', 'AAAA', ['fd00:b::716']),
                ('db.web.svc.cluster-b.local', 'A', ['10.51.1.10', '10.51.2.11']),
                ('alias.web.svc.cluster-b.local', 'A', ['10.101.7.21', 'app.web.svc.cluster-b.local.']),
                ('ext.web.svc.cluster-b.local', 'A', ['192.0.2.80', 'www.example.com.']),
                ('toa.web.svc.cluster-b.local', 'A', ['10.100.7.21', 'app.web.svc.cluster-a.local.']),
                ('dns-version.cluster-b.local', 'TXT', ['"1.1.0"']),
                ('cluster-b.local', 'NS', ['ns.dns.cluster-b.local.']),
                ('21.7.101.10.in-addr.arpa', 'PTR', ['app.web.svc.cluster-b.local.']),
                ('10.1.51.10.in-addr.arpa', 'PTR', ['db-0.db.web.svc.cluster-b.local.']),
                ('www.example.com', 'A', ['192.0.2.80'])):
            for _ in range(2):
                reply = ask(client, name, rdtype)
                equal((reply.rcode, reply.data), ('NOERROR', data), f'{who}: {name} {rdtype}')
        reply = ask(client, '_pg._tcp.db.web.svc.cluster-b.local', 'SRV')
        equal(reply.data, [f'0 50 5432 db-{i}.db.web.svc.cluster-b.local.' for i in (0, 1)], f'{who}: SRV')


def test_spelling_of_a_cautious_client():
    """Unbound with 0x20: the answers must be spelled as the questions are."""
    server, _ = bench()
    cautious = peers.Unbound(server, f'{loopback_net()}.21', free_port(), '    use-caps-for-id: yes\n')
    for i in range(20):
        name = f'10-51-1-{i}.nosuch.pod.{ZONE}' if i % 2 else f'n-{i + 1:02}.many.web.svc.{ZONE}'
        reply = ask(cautious, name)
        equal(reply.rcode, 'NXDOMAIN' if i % 2 else 'NOERROR', name)
    check('caps' not in ' '.join(cautious.complaints()), 'no fallback', cautious.complaints()[:3])


def test_negative_answers_are_kept():
    _, b = bench()
    for who, client in clients().items():
        for name, rdtype, rcode in ((f'nosuch-{who}.web.svc', 'A', 'NXDOMAIN'), ('app.web.svc', 'MX', 'NOERROR'),
                                    ('app.web.svc', 'AAAA', 'NOERROR'), ('web.svc', 'TXT', 'NOERROR')):
            before = len(b.questions())
            for _ in range(3):
                reply = ask(client, f'{name}.{ZONE}', rdtype)
                equal(reply.rcode, rcode, f'{who}: {name} {rdtype}')
                equal([text.split()[0] for text in reply.authority], [f'{ZONE}.'], f'{who}: {name} {rdtype}: the SOA it kept')
            asked = [q for q in b.questions()[before:] if q.name.lower().startswith(name.lower()) and q.rdtype == rdtype]
            equal(len(asked), 1, f'{who}: {name} {rdtype} reaches the cluster once')


def test_negative_answers_made_here_are_kept():
    """A name too long for the cluster's domain is NXDOMAIN here, with an SOA that a cache accepts."""
    up = badup.Upstream(f'{loopback_net()}.30', free_port())
    server = isthmus(f'    log\n    cluster b.lan {{\n        dns {up.address}:{up.port}\n    }}')
    name = '.'.join(['x' * 61] * 4) + '.b.lan'
    for who, client in (('Unbound', peers.Unbound(server, f'{loopback_net()}.31', free_port())),
                        ('BIND', peers.BindResolver(['b.lan'], server, ['127.0.0.1'], free_port()))):
        before = server.output().count('xxx')
        for _ in range(3):
            equal(ask(client, name[4:]).rcode, 'NXDOMAIN', f'{who}: a name too long for the domain')
        harness.wait_until(lambda n=before: server.output().count('\n') and server.output().count(name[4:]) > 0, 5, 'a log line')
        check(server.output().count(name[4:] + '.') <= (1 if who == 'Unbound' else 2), f'{who}: asked once', server.output())
        equal(client.complaints(), [], f'{who}: nothing to complain of')


def test_misses_of_the_search_list_ask_nobody():
    """A VM with the search list of a pod: three names that cannot exist, then the right one."""
    own, other, net = '127.0.0.1', f'{loopback_net()}.41', loopback_net()
    home = peers.Bind(world.standard_a().zones(), [own], free_port())
    b = peers.Nsd(world.standard_b().zones(), [f'{net}.42'], free_port())
    mapped = f'    cluster cluster.local 10.100.0.0/19 {{\n        dns {own}:{home.port}\n    }}\n'
    for where, line in (('mapped', mapped), ('forwarded', f'    forward . {own}:{home.port}\n')):
        server = isthmus(f'''
    cache 30
    cluster {ZONE} 10.101.0.0/19 {{
        dns {b.address}:{b.port}
        search_misses {own}/32
    }}
{line}''')
        for suffix in ('default.svc.cluster.local', 'svc.cluster.local', 'cluster.local'):
            name = f'app.web.svc.{ZONE}.{suffix}'
            before = len(home.questions(name))
            for rdtype in ('A', 'AAAA'):
                reply = ask(server, name, rdtype)
                equal((reply.rcode, [text.split()[0] for text in reply.authority]), ('NXDOMAIN', ['cluster.local.']),
                      f'{where}: {name} {rdtype}')
            equal(len(home.questions(name)), before, f'{where}: {name}: nobody is asked')
        equal(ask(server, f'app.web.svc.{ZONE}').data, ['10.101.7.21'], f'{where}: the name itself')
        equal(ask(server, 'app.web.svc.cluster.local').data, ['10.100.7.21'], f'{where}: a name of the home cluster')
        check('NXDOMAIN' in harness.dig(server, '-b', other, name), f'{where}: another client: NXDOMAIN too')
        equal(len(home.questions(name)) - before, 1, f'{where}: another client: the cluster is asked')


@harness.namespace('192.0.2.7')
def test_the_map_is_told_to_this_host():
    """On a listener of both families, so that addresses of IPv4 come as IPv6 has them."""
    server = harness.Isthmus(f'''.:@PORT@ {{
    cluster {ZONE} 10.101.0.0/19
    cluster cluster-a.local 10.100.0.0/19
    forward . 127.0.0.9
}}''')
    want = [f'"zone={zone}" "domain=cluster.local" "services=10.{net}.0.0/19" "dns=10.{net}.0.10:53" "state=not asked yet"'
            for zone, net in (('cluster-a.local', 100), (ZONE, 101))]
    words = ('-p', str(server.port), 'CH', 'TXT', 'clusters.isthmus')
    for address in ('127.0.0.1', '::1'):
        for how in ('+notcp', '+tcp'):
            found = harness.run([harness.need('dig'), f'@{address}', how, '+short', *words])[1]
            equal(sorted(found.splitlines()), want, f'{address} {how}')
    refused = harness.run(['dig', '@192.0.2.7', '-b', '192.0.2.7', *words])[1]
    check('REFUSED' in refused and 'this host only' in refused, 'others are refused, and told why', refused)


def test_large_answers_are_fetched_by_tcp():
    for who, client in clients().items():
        reply = ask(client, f'_pg._tcp.many.web.svc.{ZONE}', 'SRV', tcp=True)
        equal((reply.rcode, len(reply.data)), ('NOERROR', 40), f'{who}: forty endpoints')


def test_nothing_to_complain_of():
    for who, client in clients().items():
        equal(client.complaints()[:3], [], f'{who}: no lame, bogus or malformed answer in its log')


if __name__ == '__main__':
    harness.main()
