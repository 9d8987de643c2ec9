#!/usr/bin/env python3
# e2e: tsan
"""`forward` to https:// upstreams: Unbound, BIND and the program itself as such, HTTP/2 and HTTP/1.1,
POST and GET, certificates, and servers that end, refuse, stall or talk nonsense."""
import os
import re
import signal
import socket

import harness
import peers
import wire
import world
from doh_server import TYPE, DohServer
from harness import Isthmus, ask, check, equal, free_port, isthmus, make_query, wait_until
from pages import get
from pki import Identity, authority, host

DONE = '[INFO] Reloading complete'


def to(*upstreams, more='', name='dns.test'):
    """A `forward` line with the CA, in one worker and with patience, so that connections can be counted."""
    tos = ' '.join(f'https://{u.address}:{getattr(u, "https_port", u.port)}' for u in upstreams)
    named = f'        tls_servername {name}\n' if name else ''
    return (f'    multisocket 1\n    forward . {tos} {{\n        tls {authority().cert}\n{named}'
            f'        policy sequential\n        read_timeout 8s\n        {more}\n    }}')


def upstream(**more):
    return DohServer(host(), **more)


def ask_at_once(server, names, timeout_s=15):
    """The rcodes of questions that are out at the same time, by name."""
    got = {}
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sock.connect((server.address, server.port))
        for ident, name in enumerate(names):
            sock.send(make_query(name, ident=ident))
        sock.settimeout(timeout_s)
        while len(got) < len(names):
            octets = sock.recv(65535)
            got[names[int.from_bytes(octets[:2], 'big')]] = octets[3] & 15
    return got


# ---- real servers ----

def is_answered(server, what):
    for tcp in (False, True):
        for name, rdtype, rcode, data in (('app.web.svc.cluster.local', 'A', 'NOERROR', ['10.101.7.21']),
                                          ('dns-version.cluster.local', 'TXT', 'NOERROR', ['"1.1.0"']),
                                          ('nobody.web.svc.cluster.local', 'A', 'NXDOMAIN', [])):
            reply = ask(server, name, rdtype, tcp=tcp)
            equal((reply.rcode, reply.data), (rcode, data), f'{what}: {name} {rdtype}')


def servers():
    """Makes one after the other: (name, something with https_port)."""
    cluster, huge = world.standard_b(), [f'"{i:02}{"h" * 240}" "{"h" * 100}"' for i in range(90)]
    for text in huge:
        cluster.add('huge.web.svc', 'TXT', text)
    bind = peers.BindDoh(cluster.zones(), host(), free_port())
    yield 'BIND', bind
    records = ('app.web.svc.cluster.local. A 10.101.7.21', 'dns-version.cluster.local. TXT "1.1.0"',
               *(f'huge.web.svc.cluster.local. TXT {text}' for text in huge))
    yield 'Unbound', peers.UnboundDoh(records, host(), free_port())
    port = free_port()
    own = Isthmus(f'.:@PORT@ https://.:{port} {{\n    bind 127.0.0.1\n    tls {host().cert} {host().key}\n'
                  f'    forward . 127.0.0.1:{bind.port}\n}}\n')
    own.https_port = port
    yield 'isthmus', own


def test_real_servers():
    for who, up in servers():
        for method in ('POST', 'GET'):
            server = isthmus(to(up, more=f'doh_method {method}'))
            is_answered(server, f'{who} {method}')
            reply = ask(server, 'huge.web.svc.cluster.local', 'TXT', tcp=True)
            equal(len(reply.data), 90, f'{who} {method}: an answer of 30 kB')
            names = [f'n{i}.web.svc.cluster.local' for i in range(200)]
            equal(set(ask_at_once(server, names).values()), {3}, f'{who} {method}: two hundred at once')
            server.stop()


def test_a_server_that_is_started_anew():
    """Killed, too: then nothing is said over TLS, and all that is seen is the end of the connection."""
    def start():
        return Isthmus(f'.:@PORT@ {scheme}://.:{port} {{\n    bind 127.0.0.1\n    tls {host().cert} {host().key}\n'
                       '    hosts {\n        192.0.2.1 x.test\n    }\n}\n')
    for scheme in ('https', 'tls'):
        port, page = free_port(), free_port()
        up = start()
        server = isthmus(f'''    prometheus 127.0.0.1:{page}
    forward . {scheme}://127.0.0.1:{port}%dns.test {{
        tls {authority().cert}
    }}''')
        equal(ask(server, 'x.test').data, ['192.0.2.1'], f'{scheme}: the first question')
        for end in (Isthmus.stop, Isthmus.kill):
            end(up)
            up = start()
            equal(ask(server, 'x.test').data, ['192.0.2.1'], f'{scheme}, after {end.__name__}: asked anew, and nobody notices')
        text = get(page, '/metrics')[1]
        check('healthcheck_failures_total{' not in text or re.search(r'healthcheck_failures_total{.*} 0\n', text), f'{scheme}: no probe failed')
        equal(server.output().count('ERROR'), 0, f'{scheme}: no error is told')
        up.stop()


# ---- what is said ----

def test_requests_over_http1():
    for alpn in ('http/1.1', None):
        for method in ('POST', 'GET'):
            up = upstream(alpn=alpn)
            server = isthmus(to(up, more=f'doh_method {method}'))
            equal(ask(server, 'a.test').data, ['192.0.2.7'], f'{alpn} {method}')
            request, = up.requests
            path = '/dns-query' if method == 'POST' else '/dns-query?dns='
            check(re.fullmatch(f'{method} {re.escape(path)}[\\w-]{"*" if method == "POST" else "+"} HTTP/1.1', request.line),
                  f'{method}: its first line', request.line)
            equal((request.fields['accept'], request.fields['host']), (TYPE, f'dns.test:{up.port}'), f'{method}: fields')
            equal(request.fields.get('content-type'), TYPE if method == 'POST' else None, f'{method}: Content-Type')
            equal(request.query[:2], b'\0\0', f'{method}: ID')
            equal(up.names, ['dns.test'], f'{method}: the name in TLS')
            server.stop()


def test_equal_questions_have_equal_urls():
    up = upstream(alpn='http/1.1')
    server = isthmus(to(up, more='doh_method GET'))
    for ident in (1, 2, 3):
        ask(server, 'a.test', ident=ident)
    equal(len({request.line for request in up.requests}), 1, 'different IDs, one URL')


def test_names():
    up = upstream(alpn='http/1.1')
    for where, name, host_field in ((f'https://127.0.0.1:{up.port}', None, f'127.0.0.1:{up.port}'),
                                    (f'https://127.0.0.1:{up.port}%dns.test', 'dns.test', f'dns.test:{up.port}'),
                                    (f'https://127.0.0.1%dns.test:{up.port}', 'dns.test', f'dns.test:{up.port}')):
        server = isthmus(f'    multisocket 1\n    forward . {where} {{\n        tls {authority().cert}\n    }}')
        equal(ask(server, 'a.test').rcode, 'NOERROR', where)
        equal((up.names[-1], up.requests[-1].fields['host']), (name, host_field), where)
        server.stop()


# ---- connections ----

def test_one_connection_is_enough():
    for alpn in ('h2', 'http/1.1'):
        up = upstream(alpn=alpn)
        page = free_port()
        server = isthmus(f'    prometheus 127.0.0.1:{page}\n{to(up)}')
        for i in range(20):
            equal(ask(server, f'{i}.test').rcode, 'NOERROR', f'{alpn}: question {i}')
        equal(up.connections, 1, f'{alpn}: connections')
        text = get(page, '/metrics')[1]
        labels = f'proto="https",proxy_name="forward",to="127.0.0.1:{up.port}"'
        for kind, count in (('hits', 19), ('misses', 1)):
            line = f'coredns_proxy_conn_cache_{kind}_total{{{labels}}} {count}'
            check(line in text, line, re.findall('.*conn_cache.*', text))
        server.stop()


def test_streams_are_out_side_by_side():
    up = upstream(habit='slow-600')
    server = isthmus(to(up, more='max_fails 0'))
    names = [f'{i}.test' for i in range(90)]
    equal(set(ask_at_once(server, names).values()), {0}, 'ninety slow ones at once')
    most = max(sum(r.connection == n for r in up.requests) for n in range(1, 5))
    check(most >= 80, 'over one connection', most)
    up = upstream(habit='slow-100', streams=4)
    server = isthmus(to(up, more='max_fails 0'))
    equal(ask(server, 'first.test').rcode, 'NOERROR', 'a server that takes four at a time says so at first')
    equal(set(ask_at_once(server, names[:40]).values()), {0}, 'all are answered')
    check(1 < up.connections <= 4, 'gets more connections, within our limit', up.connections)


def test_http1_has_a_connection_for_each_question():
    """Also from a server that ends each of them: what was not sent is nobody's failure."""
    for habit in ('slow-100', 'last'):
        up = upstream(alpn='http/1.1', habit=habit)
        server = isthmus(to(up, more='max_fails 0'))
        for i in range(2):
            equal(set(ask_at_once(server, [f'{i}-{n}.test' for n in range(50)]).values()), {0}, f'{habit}: fifty at once, {i}')
        check(20 < up.connections, f'{habit}: connections', up.connections)
        server.stop()


def test_idle_connections_are_closed():
    up = upstream()
    server = isthmus(to(up, more='expire 1s'))
    ask(server, 'a.test')
    equal(up.connections, 1, 'one connection')
    wait_until(lambda: up.open == 0, 20, 'expire')
    equal(ask(server, 'b.test').rcode, 'NOERROR', 'and another is opened')


def test_source_address():
    source = f'{harness.loopback_net()}.9'
    up = upstream()
    server = isthmus(to(up, more=f'source_address {source}'))
    equal(ask(server, 'a.test').rcode, 'NOERROR', 'asked from another address')
    equal(up.peers, [source], 'which the upstream sees')


# ---- connections and streams that end ----

def test_ends_are_asked_anew():
    """A kept connection may be closed at any time: no client notices, and nobody is blamed."""
    for alpn, habits in (('h2', ('close', 'cut', 'goaway', 'refused', 'reset')), ('http/1.1', ('close', 'cut', 'status-408'))):
        for habit in habits:
            up = upstream(alpn=alpn)
            server = isthmus(to(up))
            equal(ask(server, 'first.test').rcode, 'NOERROR', f'{alpn} {habit}: the first')
            up.next = [habit]
            equal(ask(server, 'second.test').data, ['192.0.2.7'], f'{alpn} {habit}: asked anew')
            equal([r.connection for r in up.asked('second.test')], [1, 2], f'{alpn} {habit}: over another connection')
            equal(ask(server, 'third.test').rcode, 'NOERROR', f'{alpn} {habit}: and on')
            server.stop()


def test_goodbyes():
    for alpn in ('h2', 'http/1.1'):
        up = upstream(alpn=alpn, habit='last')
        server = isthmus(to(up))
        for i in range(5):
            equal(ask(server, f'{i}.test').data, ['192.0.2.7'], f'{alpn}: each answer is the last of its connection')
        equal(up.connections, 5, f'{alpn}: connections')
        server.stop()


def test_bodies_of_http1():
    for habit in ('chunked', 'to-the-end'):
        server = isthmus(to(upstream(alpn='http/1.1', habit=habit)))
        for i in range(3):
            equal(ask(server, f'{i}.test').data, ['192.0.2.7'], habit)
        server.stop()


# ---- failures ----

FAILURES = (('status-404', 'HTTP status 404', 'HTTP status 404'), ('status-500', 'HTTP status 500', 'HTTP status 500'),
            ('status-302', 'HTTP status 302', 'redirects are not followed'),
            ('page', 'malformed answer', "an answer of type 'text/html; charset=utf-8'"), ('noise', 'malformed answer', None),
            ('other', 'malformed answer', None), ('long', 'malformed answer', 'an answer of more than 65535 octets'))


def test_failures_go_to_the_next_upstream():
    for alpn in ('h2', 'http/1.1'):
        bad, good = upstream(alpn=alpn), upstream(alpn=alpn)
        server = isthmus(to(bad, good, more='max_fails 0'))
        for habit, _, _ in FAILURES:
            bad.habit = habit
            reply = ask(server, f'{habit}.test')
            equal(reply.data, ['192.0.2.7'], f'{alpn} {habit}: the next is asked')
            check(bad.asked(f'{habit}.test') and good.asked(f'{habit}.test'), f'{alpn} {habit}: both were asked')
        server.stop()


def test_failures_are_told():
    up = upstream()
    server = isthmus(to(up, more='max_fails 0\n        max_connect_attempts 1'))
    for habit, error, log in FAILURES:
        up.habit = habit
        reply = ask(server, f'{habit}.test')
        equal(reply.rcode, 'SERVFAIL', habit)
        check(any(error in text for _, text in reply.ede), f'{habit}: the extended error', reply.ede)
        line = f'127.0.0.1:{up.port}: {error}'
        wait_until(lambda line=line: line in server.output(), 10, f'{habit}: {line}')
        if log:
            wait_until(lambda log=log: re.search(rf'https://127\.0\.0\.1:{up.port}: .*{re.escape(log)}', server.output()), 10, log)


def test_certificates():
    stranger = Identity('dns.test', Identity('other-ca'), names='DNS:dns.test', usage='serverAuth')
    for what, identity, name, why in (('another CA', stranger, 'dns.test', 'unable to get local issuer certificate|self-signed'),
                                      ('another name', host(), 'other.test', 'hostname mismatch'),
                                      ('an address that it has not', Identity('x', authority(), names='DNS:dns.test'), None,
                                       'IP address mismatch')):
        up = DohServer(identity)
        server = isthmus(to(up, name=name, more='max_fails 0'))
        reply = ask(server, 'a.test')
        equal(reply.rcode, 'SERVFAIL', what)
        check(any('certificate not accepted' in text for _, text in reply.ede), f'{what}: the extended error', reply.ede)
        told = rf'the certificate of https://127\.0\.0\.1:{up.port} is not accepted: ({why})'
        wait_until(lambda told=told: re.search(told, server.output()), 10, f'{what}: {told}')
        equal(up.requests, [], f'{what}: nothing is asked')
        server.stop()


def test_a_slow_server_is_overtaken():
    slow, good = upstream(habit='silent'), upstream()
    server = isthmus(to(slow, good, more='max_fails 0'))
    equal(ask(server, 'a.test').data, ['192.0.2.7'], 'the next is asked while the first is silent')
    check(slow.asked('a.test') and good.asked('a.test'), 'both were asked')
    alone = isthmus(to(slow, more='max_fails 0\n        read_timeout 200ms\n        max_connect_attempts 1'))
    equal(ask(alone, 'b.test').rcode, 'SERVFAIL', 'alone it fails')


def test_streams_that_nobody_waits_for_are_withdrawn():
    up, other = upstream(), upstream()
    server = isthmus(to(up, other, more='max_fails 0'))
    ask(server, 'warm.test')
    up.next = ['silent']
    equal(ask(server, 'a.test').data, ['192.0.2.7'], 'another answers')
    wait_until(lambda: ask(server, 'b.test').data and up.resets, 20, 'CANCEL, while the connection is in use')


def test_plain_and_https_side_by_side():
    """Transports mix in one line, as in CoreDNS; what is not there is passed over."""
    plain = peers.Nsd(world.standard_b().zones(), [f'{harness.loopback_net()}.10'], free_port())
    up = upstream()
    gone = free_port()
    server = isthmus(f'''    forward . https://127.0.0.1:{gone} https://127.0.0.1:{up.port}%dns.test {plain.address}:{plain.port} {{
        tls {authority().cert}
        policy round_robin
        prefer_udp
    }}''')
    for i in range(12):
        reply = ask(server, 'app.web.svc.cluster.local', tcp=i % 2 == 1)
        check(reply.data in (['10.101.7.21'], ['192.0.2.7']), f'question {i} is answered', reply.short())
    check(up.requests, 'also over HTTPS')
    up.close()


def test_health_is_probed_over_https():
    page = free_port()
    up, other = upstream(habit='status-500'), upstream()
    server = isthmus(f'    prometheus 127.0.0.1:{page}\n' + to(up, other, more='max_fails 1\n        health_check 100ms'))
    failures = re.compile(rf'coredns_proxy_healthcheck_failures_total{{[^}}]*to="127.0.0.1:{up.port}"}} (\d+)')

    def probed():
        found = failures.search(get(page, '/metrics')[1])
        return found and int(found[1]) >= 2
    equal(ask(server, 'a.test').data, ['192.0.2.7'], 'the other one answers')
    wait_until(probed, 10, 'probes that fail')
    probes = [r for r in up.requests if wire.parse(r.query).qname == b'\0']
    check(probes and all(wire.parse(r.query).qtype == 2 for r in probes), 'they ask for . NS')
    before = len(up.asked('b.test'))
    ask(server, 'b.test')
    equal(len(up.asked('b.test')), before, 'it is down: nobody asks it')
    up.habit = 'good'
    wait_until(lambda: ask(server, 'c.test').data and up.asked('c.test'), 20, 'it is asked again when it is well')


def test_an_answer_from_a_cache_of_http_is_as_old_as_it_is():
    server = isthmus(to(upstream(habit='aged')))
    reply = ask(server, 'a.test')
    equal([rrset.ttl for rrset in reply.message.answer], [60], 'its TTL is what is left (RFC 8484 section 5.1)')


# ---- configuration ----

def reload(server, text):
    count = server.output().count(DONE)
    harness.write(server.corefile, text)
    server.signal(signal.SIGHUP)
    wait_until(lambda: server.output().count(DONE) > count, 10, 'the reload')


def test_reload():
    up = upstream(alpn='http/1.1')
    server = isthmus(to(up))
    ask(server, 'a.test')
    with open(server.corefile, encoding='latin-1') as file:
        text = file.read()
    reload(server, text.replace('policy sequential', 'policy random'))
    ask(server, 'b.test')
    equal(up.connections, 1, 'the connection is kept')
    reload(server, text.replace('policy sequential', 'doh_method GET'))
    ask(server, 'c.test')
    equal([r.line.split()[0] for r in up.requests], ['POST', 'POST', 'GET'], 'another method takes effect')


def test_the_library_is_loaded_when_it_is_needed():
    def has_library(server):
        with open(f'/proc/{server.popen.pid}/maps', encoding='ascii') as file:
            return 'libnghttp2' in file.read()
    up = upstream()
    server = isthmus(f'    forward . tls://127.0.0.1:{up.port} {{\n        tls {authority().cert}\n    }}')
    check(not has_library(server), 'not by tls://')
    server.stop()
    server = isthmus(to(up))
    ask(server, 'a.test')
    check(has_library(server), 'by https://')


def test_renewed_files_are_for_https_as_well():
    up = upstream()
    ours = Identity('client', authority(), usage='clientAuth')
    server = isthmus(f'''    multisocket 1
    forward . https://127.0.0.1:{up.port}%dns.test {{
        tls {ours.cert} {ours.key} {authority().cert}
        expire 1s
    }}''')
    equal(ask(server, 'a.test').rcode, 'NOERROR', 'before')
    for path, text in zip((ours.cert, ours.key), Identity('client', authority(), usage='clientAuth').pem()):
        harness.write(path, text)
    wait_until(lambda: 'plugin/forward: Renewed certificate of' in server.output(), 30, 'the files are looked at')
    wait_until(lambda: up.open == 0, 20, 'the connection from before has ended')
    equal(ask(server, 'b.test').rcode, 'NOERROR', 'after')
    equal([request.line for request in up.requests], ['', ''], 'both over HTTP/2')


def test_a_certificate_of_ours_is_shown():
    port = free_port()
    ours = Identity('client', authority(), usage='clientAuth')
    up = Isthmus(f'.:@PORT@ https://.:{port} {{\n    bind 127.0.0.1\n    tls {host().cert} {host().key} {authority().cert} {{\n'
                 '        client_auth require_and_verify\n    }\n    hosts {\n        192.0.2.1 x.test\n    }\n}\n')
    for files, rcode in ((f'{ours.cert} {ours.key} {authority().cert}', 'NOERROR'), (authority().cert, 'SERVFAIL')):
        server = isthmus(f'    forward . https://127.0.0.1:{port} {{\n        tls {files}\n        tls_servername dns.test\n    }}')
        equal(ask(server, 'x.test').rcode, rcode, f'{len(files.split())} files')
        server.stop()
    check(os.path.exists(up.corefile), 'the upstream goes on')


if __name__ == '__main__':
    harness.main()
