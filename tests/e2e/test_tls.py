#!/usr/bin/env python3
# e2e: tsan
"""DNS over TLS for clients: real clients, client certificates in every mode, certificates that will
not do, renewal under open connections, and handshakes that never end."""
import contextlib
import itertools
import json
import os
import pty
import re
import select
import signal
import socket
import ssl
import struct
import time

import harness
import peers
import world
from harness import (Isthmus, Reply, StartFailed, TcpClient, ask, check, equal, free_port, make_query, need, run, wait_until,
                     within, write)
from pki import Identity, authority, host

DONE = '[INFO] Reloading complete'
HOSTS = '''    hosts {
        192.0.2.1 x.test
    }'''


class TlsServer(Isthmus):
    """Isthmus with a block on tls:// besides one in the clear."""

    def __init__(self, tls_line, directives=HOSTS, more=''):
        self.tls_port = free_port()
        self.tls_line, self.directives, self.more = tls_line, directives, more
        super().__init__(self.text())

    def text(self):
        return (f'tls://.:{self.tls_port} {{\n    bind 127.0.0.1\n    errors\n    {self.tls_line}\n{self.directives}\n'
                f'    {self.more}\n}}\n.:@PORT@ {{\n    bind 127.0.0.1\n{self.directives}\n}}\n')

    def reload(self, tls_line):
        """True when it was followed."""
        count, refused = self.output().count(DONE), self.output().count('old configuration stays')
        self.tls_line = tls_line
        write(self.corefile, self.text().replace('@PORT@', str(self.port)))
        self.signal(signal.SIGHUP)
        wait_until(lambda: self.output().count(DONE) > count or self.output().count('old configuration stays') > refused, 10,
                   'the reload')
        return self.output().count(DONE) > count


def plain(identity=None):
    who = identity or host()
    return f'tls {who.cert} {who.key}'


class TlsClient(TcpClient):
    """A TcpClient that speaks TLS; the server's certificate must be the CA's, and dns.test's."""

    def __init__(self, server, shows=None, session=None, context=None, **more):
        super().__init__(Place(server), **more)
        context = context or client_context(shows)
        self.sock = context.wrap_socket(self.sock, server_hostname='dns.test', session=session)


class Place:
    """Where a TcpClient goes."""

    def __init__(self, server):
        self.address, self.port = server.address, server.tls_port


def client_context(shows=None):
    context = ssl.create_default_context(cafile=authority().cert)
    if shows is not None:
        context.load_cert_chain(shows.cert, shows.key)
    return context


def asked(client, name='x.test'):
    """The answer on an open connection, or None."""
    try:
        client.send(make_query(name))
        octets = client.receive(5)
    except OSError:
        return None
    return octets and Reply(octets, 0)


def is_served(server, **more):
    try:
        with TlsClient(server, **more) as client:
            reply = asked(client)
    except OSError:
        return False
    return reply is not None and reply.data == ['192.0.2.1']


# ---- real clients ----

def test_kdig_is_answered():
    server = TlsServer(plain())
    kdig = need('kdig')
    status, said, error = run([kdig, '@127.0.0.1', '-p', str(server.tls_port), f'+tls-ca={authority().cert}',
                               '+tls-hostname=dns.test', 'x.test', 'A'])
    check(status == 0 and '192.0.2.1' in said, 'kdig +tls', said + error)
    check('The certificate is trusted' in said + error or ';; TLS session' in said, 'with its certificate checked', said)
    status, said, error = run([kdig, '@127.0.0.1', '-p', str(server.tls_port), '+tls', '+keepopen', 'x.test', 'A', 'x.test', 'A'])
    equal(said.count('192.0.2.1'), 2, 'two questions on one connection')


def test_openssl_agrees_on_dot():
    server = TlsServer(plain())
    for version, ok in (('-tls1_3', True), ('-tls1_2', True), ('-tls1_1', False)):
        _, said, error = run([need('openssl'), 's_client', '-connect', f'127.0.0.1:{server.tls_port}', '-alpn', 'dot', version,
                              '-cipher', 'DEFAULT@SECLEVEL=0', '-CAfile', authority().cert])
        equal('ALPN protocol: dot' in said, ok, f's_client {version}')
        check(not ok or 'Verify return code: 0 (ok)' in said, f'{version}: the chain holds', error)


def test_a_session_is_taken_up():
    server = TlsServer(plain())
    context = client_context()
    with TlsClient(server, context=context) as first:
        check(asked(first) is not None, 'the first is answered')
        session = first.sock.session
    with TlsClient(server, context=context, session=session) as second:
        check(asked(second) is not None, 'the second is answered')
        check(second.sock.session_reused, 'without a new handshake')


# ---- as much as over TCP ----

def test_many_questions_in_one_write():
    server = TlsServer(plain())
    with TlsClient(server) as client:
        for count in (100, 1000):
            client.send(*(make_query('x.test', ident=i) for i in range(count)))
            idents = [struct.unpack('>H', client.receive()[:2])[0] for _ in range(count)]
            equal(sorted(idents), list(range(count)), f'{count} answers')


def test_octet_by_octet_and_large_records():
    server = TlsServer(plain())
    query = make_query('x.test')
    with TlsClient(server) as client:
        for octet in struct.pack('>H', len(query)) + query:
            client.sock.sendall(bytes([octet]))
        check(client.receive() is not None, 'a message in as many records as octets')
        message = struct.pack('>H', len(query)) + query
        client.sock.sendall(message[:-1])
        client.sock.sendall(message[-1:] + message * 300)
        equal(len([1 for _ in range(301) if client.receive()]), 301, 'the end of one before many in one record')


def test_an_answer_of_64_kb_for_who_reads_slowly():
    zones = world.standard_b()
    for i in range(600):
        zones.add('huge.web.svc', 'TXT', f'"{i:03}{"h" * 90}"')
    up = peers.Nsd(zones.zones(), [f'{harness.loopback_net()}.10'], free_port(), minimal=True)
    server = TlsServer(plain(), f'''    cluster far.lan {{
        dns {up.address}:{up.port}
        domain cluster.local
    }}''')
    with TlsClient(server) as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32768)
        client.send(*[make_query('huge.web.svc.far.lan', 'TXT', ident=i) for i in range(10)])
        sizes = []
        for _ in range(10):
            reply = client.receive()
            sizes.append(reply and len(Reply(reply, 0).data))
        equal(sizes, [600] * 10, 'records of ten answers of 64 kB')


# ---- certificates of clients ----

def test_client_auth():
    known = Identity('known', authority(), usage='clientAuth')
    strange = Identity('strange', Identity('other-ca'), usage='clientAuth')
    wrong_use = Identity('wrong-use', authority(), usage='serverAuth')
    guests = {'none': None, 'known': known, 'strange': strange, 'wrong use': wrong_use}
    everyone = set(guests)
    modes = {'nocert': everyone, 'request': everyone, 'require': everyone - {'none'}, 'verify_if_given': {'none', 'known'},
             'require_and_verify': {'known'}}
    for mode, welcome in modes.items():
        server = TlsServer(f'tls {host().cert} {host().key} {authority().cert} {{\n        client_auth {mode}\n    }}')
        got = {name for name, who in guests.items() if is_served(server, shows=who)}
        equal(got, welcome, f'{mode}: who is answered')
        server.stop()


def test_key_log():
    log = os.path.join(harness.folder('keylog'), 'log')
    server = TlsServer(f'{plain()} {{\n        keylog {log}\n    }}')
    check(is_served(server), 'a client is answered')
    with open(log, encoding='ascii') as file:
        check('SERVER_HANDSHAKE_TRAFFIC_SECRET' in file.read(), 'its secrets are in the log')
    check('Writing TLS Key Log to' in server.output(), 'with a warning')
    equal(os.stat(log).st_mode & 0o777, 0o600, 'mode of the log')


# ---- files ----

def test_files_that_will_not_do_are_told_with_their_line():
    other = Identity('other')
    for line, why in ((f'tls {host().cert} {other.key}', 'key'),
                      (f'tls {host().cert} /nonexistent.pem', 'error reading /nonexistent.pem'),
                      (f'tls {host().key} {host().cert}', 'error reading the certificate'),
                      (f'tls {host().cert} {host().key} {host().key}', "error reading the CA's certificates"),
                      (f'tls {host().cert}', 'Wrong argument count'),
                      ('tls', 'ACME'),
                      (f'{plain()} {{\n        client_auth some\n    }}', 'client_auth')):
        try:
            TlsServer(line)
            check(False, f'{line} is refused')
        except StartFailed as said:
            check(re.search(r'Corefile:[45]\b', str(said)) and why in str(said), f'{line}: file, line and reason', str(said))


def said_on_terminal(corefile, words):
    """What Isthmus says on a terminal of its own, up to one of these words or its end."""
    path, said = write(os.path.join(harness.folder('terminal'), 'Corefile'), corefile), ''
    pid, fd = pty.fork()
    if pid == 0:
        harness.die_with_parent()
        os.execv(harness.ISTHMUS, ['isthmus', '-conf', path])
    with contextlib.suppress(OSError):  # EIO: it has ended
        while not any(word in said for word in words) and select.select([fd], [], [], 30 * harness.slack())[0]:
            said += os.read(fd, 4096).decode(errors='replace')
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(fd)
    return said


def test_nobody_is_asked_for_a_passphrase():
    key = os.path.join(harness.folder('locked'), 'key.pem')
    check(run([need('openssl'), 'pkey', '-in', host().key, '-aes256', '-passout', 'pass:x', '-out', key])[0] == 0, 'a key is encrypted')
    with socket.create_server(('127.0.0.1', 0)) as api:
        user = {'client-certificate': host().cert, 'client-key': key}
        kubeconfig = write(os.path.join(harness.folder('kube'), 'config'), json.dumps(
            {'apiVersion': 'v1', 'kind': 'Config', 'current-context': 'a', 'users': [{'name': 'a', 'user': user}],
             'contexts': [{'name': 'a', 'context': {'cluster': 'a', 'user': 'a'}}],
             'clusters': [{'name': 'a', 'cluster': {'server': f'https://127.0.0.1:{api.getsockname()[1]}'}}]}))
        locked = 'it is encrypted: expected one without a passphrase'
        for lines, why in ((f'tls {host().cert} {key}', locked),
                           (f'forward . tls://127.0.0.1:9 {{\n        tls {host().cert} {key}\n    }}', locked),
                           (f'inventory kubernetes: {{\n        kubeconfig {kubeconfig}\n        zone a.lan\n    }}', 'expected one without a passphrase')):
            said = said_on_terminal(f'{"tls://" if lines.startswith("tls") else ""}.:{free_port()} {{\n    bind 127.0.0.1\n    {lines}\n}}\n',
                                    ('pass phrase', why))
            check(why in said and 'pass phrase' not in said, f'{lines.split()[0]}: the reason is told', said)


def test_a_key_without_tls_is_in_the_clear():
    server = TlsServer('')
    with TcpClient(Place(server)) as client:
        check(asked(client) is not None, 'answered as over TCP, as by CoreDNS')


# ---- renewal ----

def shown(server):
    """The certificate that a new client gets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with TlsClient(server, context=context) as client:
        return ssl.DER_cert_to_PEM_cert(client.sock.getpeercert(True))


def test_renewal_under_open_connections():
    old = Identity('dns.test', authority(), names='DNS:dns.test', usage='serverAuth')
    new = Identity('dns.test', authority(), names='DNS:dns.test', usage='serverAuth')
    server = TlsServer(plain(old))
    before = shown(server)
    with TlsClient(server) as open_one:
        check(asked(open_one) is not None, 'a connection is open')
        for path, text in zip((old.cert, old.key), new.pem()):
            write(path, text)
        check(server.reload(plain(old)), 'SIGHUP reads the files again')
        after = shown(server)
        check(before != after and after in new.pem()[0], 'the next client sees the new certificate')
        check(asked(open_one) is not None, 'the open connection goes on')
        write(old.key, host().pem()[1])
        check(not server.reload(plain(old)), 'a key that does not fit is refused')
        equal(shown(server), after, 'and the old settings serve on')
        check(asked(open_one) is not None, 'as does the open connection')
        check(server.reload(''), 'no TLS any more')
        check(asked(open_one) is not None, 'the open connection still goes on')
    with TcpClient(Place(server)) as client:
        check(asked(client) is not None, 'a new one is in the clear')


def renewals(server):
    return server.output().count('plugin/tls: Renewed certificate of ')


def test_renewed_files_are_taken_as_they_come():
    """One after the other, as certbot does, and by a link that is turned, as the kubelet does."""
    pairs = [Identity('dns.test', authority(), names='DNS:dns.test', usage='serverAuth').pem() for _ in range(3)]
    home = harness.folder('secret')
    for number, (cert, key) in enumerate(pairs[:2]):
        os.mkdir(os.path.join(home, f'..{number}'))
        write(os.path.join(home, f'..{number}', 'tls.crt'), cert)
        write(os.path.join(home, f'..{number}', 'tls.key'), key)
    os.symlink('..0', os.path.join(home, '..data'))
    for name in ('tls.crt', 'tls.key'):
        os.symlink(f'..data/{name}', os.path.join(home, name))
    server = TlsServer(f'tls {home}/tls.crt {home}/tls.key {{\n        reload 100ms\n    }}')
    check(shown(server) in pairs[0][0], 'the first certificate')
    with TlsClient(server) as open_one:
        check(asked(open_one) is not None, 'a connection is open')
        os.symlink('..1', os.path.join(home, '..tmp'))
        os.rename(os.path.join(home, '..tmp'), os.path.join(home, '..data'))
        wait_until(lambda: renewals(server) == 1, 30, 'the link is turned')
        check(shown(server) in pairs[1][0], 'the second certificate')
        write(os.path.join(home, 'tls.key'), pairs[2][1])
        wait_until(lambda: 'what was read before stays' in server.output(), 30, 'a key that fits no certificate is told')
        check(shown(server) in pairs[1][0], 'and the second certificate is shown on')
        write(os.path.join(home, 'tls.crt'), pairs[2][0])
        wait_until(lambda: renewals(server) == 2, 30, 'its certificate comes')
        check(shown(server) in pairs[2][0], 'the third certificate')
        check(asked(open_one) is not None, 'the open connection goes on')
        check(is_served(server), 'a new one is answered')
    equal(server.output().count('what was read before stays'), 1, 'told once')
    check('dns.test, good until 20' in server.output(), 'the log says until when')


def test_a_client_s_renewed_certificate_is_shown_to_upstreams():
    """`forward tls://` to a server that believes another authority than the one our certificate is of, at first."""
    later = Identity('later')
    up = TlsServer(f'tls {host().cert} {host().key} {later.cert} {{\n        client_auth require_and_verify\n    }}')
    ours = Identity('client', authority(), usage='clientAuth')
    server = Isthmus(f'.:@PORT@ {{\n    bind 127.0.0.1\n    forward . tls://127.0.0.1:{up.tls_port} {{\n'
                     f'        tls {ours.cert} {ours.key} {authority().cert}\n        tls_servername dns.test\n    }}\n}}\n')
    equal(ask(server, 'x.test').rcode, 'SERVFAIL', 'a certificate that is not believed')
    renewed = Identity('client', later, usage='clientAuth').pem()
    for path, text in zip((ours.cert, ours.key), renewed):
        write(path, text)
    wait_until(lambda: 'plugin/forward: Renewed certificate of' in server.output(), 30, 'the files are looked at')
    wait_until(lambda: ask(server, 'x.test').data == ['192.0.2.1'], 30, 'and the next connection shows the new certificate')
    count = server.output().count(DONE)
    server.signal(signal.SIGHUP)
    wait_until(lambda: server.output().count(DONE) > count, 10, 'a reload')
    equal(ask(server, 'x.test').data, ['192.0.2.1'], 'after a reload, too')


# ---- several certificates ----

def test_certificates_are_chosen_by_the_name_the_client_asks_for():
    """Blocks of one address; the questions go to the block of their name, whatever the certificate."""
    names = ('a.test', 'b.test', 'c.test')
    hosts = {name: Identity(name, authority(), names=f'DNS:{name}', usage='serverAuth') for name in names}
    port = free_port()
    server = Isthmus('.:@PORT@ {\n    bind 127.0.0.1\n}\n' + ''.join(
        f'tls://{name}:{port} {{\n    bind 127.0.0.1\n    tls {who.cert} {who.key}\n    hosts {{\n        192.0.2.{i} {name}\n    }}\n}}\n'
        for i, (name, who) in enumerate(hosts.items(), 1)))
    server.tls_port = port
    context = client_context()
    for name, asks_for in itertools.product(names, names):
        with TcpClient(Place(server)) as client:
            client.sock = context.wrap_socket(client.sock, server_hostname=name)
            reply = asked(client, asks_for)
            equal(reply.data, [f'192.0.2.{1 + names.index(asks_for)}'], f'{asks_for} over a connection to {name}')
    context.check_hostname = False
    for asks_for in (None, 'nobody.test'):
        with TcpClient(Place(server)) as client:
            client.sock = context.wrap_socket(client.sock, server_hostname=asks_for)
            check(ssl.DER_cert_to_PEM_cert(client.sock.getpeercert(True)) in hosts['c.test'].pem()[0], 'otherwise the last in the file')


# ---- hostile ----

def test_handshakes_that_never_end_cost_the_others_nothing():
    server = TlsServer(plain(), more='timeouts {\n        read 1s\n    }')
    hello = client_hello()
    with contextlib.ExitStack() as stack:
        def connect(octets):
            sock = stack.enter_context(socket.create_connection(('127.0.0.1', server.tls_port)))
            sock.sendall(octets)
            return sock
        began = time.monotonic()
        silent = [connect(b'') for _ in range(100)]
        halves = [connect(hello[:len(hello) // 2]) for _ in range(100)]
        stuck = [connect(hello) for _ in range(100)]
        strange = [connect(b'GET / HTTP/1.1\r\n\r\n') for _ in range(100)]
        check(is_served(server), 'another client is answered')
        within(ask(server, 'x.test').ms, 500, 'and UDP')
        for kind, socks in (('silent', silent), ('half a hello', halves), ('a hello and no more', stuck), ('no TLS', strange)):
            closed = sum(is_closed(sock) for sock in socks)
            equal(closed, 100, f'{kind}: connections closed')
        within((time.monotonic() - began) * 1000, 4000, 'after read, 1 s, all of them')


def test_many_handshakes_under_way_push_each_other_out():
    server = TlsServer(plain(), more='timeouts {\n        read 60s\n    }\n    multisocket 1')
    hello = client_hello()
    with contextlib.ExitStack() as stack:
        socks = []
        for _ in range(600):
            socks.append(stack.enter_context(socket.create_connection(('127.0.0.1', server.tls_port))))
            socks[-1].sendall(hello[:-1])
        equal([is_closed(sock) for sock in socks[:80]], [True] * 80, 'the oldest of 600 are closed long before their time')
        check(not is_closed(socks[-1], 0.05), 'the youngest is waited for')
        check(is_served(server), 'others are served')


def client_hello():
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    talk = client_context().wrap_bio(incoming, outgoing, server_hostname='dns.test')
    with contextlib.suppress(ssl.SSLWantReadError):
        talk.do_handshake()
    return outgoing.read()


def is_closed(sock, timeout_s=10):
    sock.settimeout(timeout_s)
    try:
        while sock.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        pass
    return True


def test_who_does_not_read_is_cut_off_and_who_idles_is_let_go():
    server = TlsServer(plain(), more='timeouts {\n        read 1s\n        write 1s\n        idle 1s\n    }')
    with TlsClient(server) as idler:
        check(asked(idler) is not None, 'one question')
        check(idler.closed_within(5) is not None, 'then idle: closed')
    with TlsClient(server) as drip:
        drip.sock.sendall(b'\0')
        check(drip.closed_within(5) is not None, 'a question that does not become whole: closed')
    check(is_served(server), 'others are served')


@harness.namespace('192.0.2.1')
def test_who_reads_slowly_what_odd_records_asked_for_holds_up_nobody():
    write('/proc/sys/net/ipv4/tcp_wmem', '4096 16384 65536')  # as on the way to somebody far away
    zone = write(os.path.join(harness.folder('huge'), 'zone'), '@ 60 IN SOA ns a 1 2 3 4 5\n@ 60 IN NS ns\n' + ''.join(
        f'huge 60 IN TXT "{i:03}{"h" * 90}"\n' for i in range(600)))
    server = TlsServer(plain(), f'    file {zone} huge.test', more='multisocket 1')
    query = make_query('huge.huge.test', 'TXT')
    message = struct.pack('>H', len(query)) + query
    with TlsClient(server) as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        client.sock.sendall(message[:-1])
        for _ in range(40):  # the last octet of one, and all but that of the next
            client.sock.sendall(message[-1:] + message[:-1])
        big = 0
        while big < 40 and len(client.receive() or b'') > 60000:
            big += 1
        equal(big, 40, 'each is answered')
    equal(ask(server, 'huge.test', 'SOA').rcode, 'NOERROR', 'and so are others')


if __name__ == '__main__':
    harness.main()
