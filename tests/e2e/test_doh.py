#!/usr/bin/env python3
# e2e: tsan
"""DNS over HTTPS for clients: HTTP/2 and HTTP/1.1, GET and POST, real clients, the right statuses,
freshness, limits on connections, and a reload under open ones."""
import base64
import contextlib
import os
import re
import socket
import ssl
import struct
import time

import dns.message

import badup
import harness
from harness import Isthmus, check, equal, free_port, make_query, need, run, wait_until, within, write
from pages import get
from pki import authority, host

DONE = '[INFO] Reloading complete'
HOSTS = '''    hosts {
        192.0.2.1 x.test
        127.0.0.9 loop.test
        ttl 77
    }'''


class HttpsServer(Isthmus):
    """Isthmus with a block on https://, one on https:// in the clear, and one on dns://."""

    def __init__(self, directives=HOSTS, more=''):
        self.https_port, self.http_port = free_port(), free_port()
        self.directives, self.more = directives, more
        super().__init__(self.text())

    def text(self):
        tls = f'tls {host().cert} {host().key}'
        return ''.join(f'{key} {{\n    bind 127.0.0.1\n    errors\n    {line}\n{self.directives}\n}}\n' for key, line in (
            (f'https://.:{self.https_port}', f'{tls}\n    {self.more}'), (f'https://.:{self.http_port}', self.more),
            ('.:@PORT@', '')))

    def reload(self):
        count = self.output().count(DONE)
        write(self.corefile, self.text().replace('@PORT@', str(self.port)))
        self.signal(harness.signal.SIGHUP)
        wait_until(lambda: self.output().count(DONE) > count, 10, 'the reload')


def query(name='x.test', rdtype='A'):
    return make_query(name, rdtype, ident=0, edns=None)


def in_url(octets):
    return base64.urlsafe_b64encode(octets).decode().rstrip('=')


def curl(url, *words):
    """(status, header fields, body) of one request."""
    home = harness.folder('curl')
    body, head = os.path.join(home, 'body'), os.path.join(home, 'head')
    status, said, error = run([need('curl'), '-sS', '--cacert', authority().cert, '-o', body, '-D', head, '-w',
                               '%{http_code} %{http_version}', *words, url])
    if status != 0:
        raise AssertionError(f'curl: {error}')
    with open(head, encoding='latin1') as file:
        fields = {line.split(':', 1)[0].lower(): line.split(':', 1)[1].strip() for line in file if ':' in line}
    octets = b''
    with contextlib.suppress(FileNotFoundError), open(body, 'rb') as file:
        octets = file.read()
    return *said.split(), fields, octets


def post_words(octets):
    return ['-H', 'Content-Type: application/dns-message', '--data-binary', '@' + write_octets(octets)]


def write_octets(octets):
    path = os.path.join(harness.folder('body'), 'octets')
    with open(path, 'wb') as file:
        file.write(octets)
    return path


def places(server):
    """Where and how it can be asked: (name, URL, words for curl)."""
    return [('HTTP/2', f'https://127.0.0.1:{server.https_port}', ['--http2']),
            ('HTTP/1.1', f'https://127.0.0.1:{server.https_port}', ['--http1.1']),
            ('HTTP/2 in the clear', f'http://127.0.0.1:{server.http_port}', ['--http2-prior-knowledge']),
            ('HTTP/1.1 in the clear', f'http://127.0.0.1:{server.http_port}', ['--http1.1'])]


# ---- requests ----

def test_get_and_post():
    server = HttpsServer()
    for name, url, how in places(server):
        for kind, words, path in (('GET', [], f'/dns-query?dns={in_url(query())}'),
                                  ('POST', post_words(query()), '/dns-query'),
                                  ('POST in chunks', [*post_words(query()), '-H', 'Transfer-Encoding: chunked'], '/dns-query'),
                                  ('POST, told to wait', [*post_words(query()), '-H', 'Expect: 100-continue'], '/dns-query')):
            status, version, fields, body = curl(url + path, *how, *words)
            equal((status, version), ('200', '2' if '/2' in name else '1.1'), f'{name} {kind}')
            equal(fields.get('content-type'), 'application/dns-message', f'{name} {kind}: type')
            equal(fields.get('cache-control'), 'max-age=77', f'{name} {kind}: freshness')
            check('date' in fields, f'{name} {kind}: Date')
            message = dns.message.from_wire(body)
            equal((message.id, message.answer[0][0].to_text()), (0, '192.0.2.1'), f'{name} {kind}: answer')


def test_statuses():
    server = HttpsServer()
    good = in_url(query())
    for name, url, how in places(server):
        for path, words, want in ((f'/?dns={good}', [], '404'),
                                  (f'/dns-query/?dns={good}', [], '404'),
                                  ('/dns-query', [], '400'),
                                  ('/dns-query?dns=AAAA', [], '400'),
                                  (f'/dns-query?dns={good}=', [], '400'),
                                  (f'/dns-query?dns={good}&dns={good}', [], '400'),
                                  (f'/dns-query?dns={good}', ['-X', 'PUT'], '405'),
                                  ('/dns-query', ['-X', 'POST'], '400'),
                                  (f'/dns-query?dns={good}', ['-I'], '405'),
                                  ('/dns-query', ['--data-binary', '@' + write_octets(query())], '415'),
                                  ('/dns-query', post_words(b'x' * 70000), '413')):
            status, _, fields, body = curl(url + path, *how, *words)
            equal(status, want, f'{name} {path} {" ".join(words)[:40]}')
            check('-I' in words or body.endswith(b'\n') and 'text/plain' in fields.get('content-type', ''), f'{name} {path}: why, in words')
            check(want != '405' or fields.get('allow') == 'GET, POST', f'{name}: Allow')


def test_what_the_resolver_says():
    silent = badup.Upstream(f'{harness.loopback_net()}.12', free_port())
    server = HttpsServer(f'{HOSTS}\n    acl {{\n        drop net 127.0.0.1 type MX\n    }}\n'
                         f'    forward refused.test {silent.address}:{free_port()}')
    for name, url, how in places(server)[:2]:
        status, _, _, _ = curl(f'{url}/dns-query?dns={in_url(query("x.test", "MX"))}', *how)
        equal(status, '500', f'{name}: dropped by acl, as in CoreDNS')
        status, _, fields, body = curl(f'{url}/dns-query?dns={in_url(query("a.refused.test"))}', *how)
        equal((status, fields['cache-control']), ('200', 'max-age=0'), f'{name}: a failure is not kept')
        equal(dns.message.from_wire(body).rcode(), 2, f'{name}: SERVFAIL')
        flawed = query()[:4] + b'\0\2' + query()[6:]
        status, _, _, body = curl(f'{url}/dns-query', *how, *post_words(flawed))
        equal((status, body[3] & 15), ('200', 1), f'{name}: FORMERR')


def test_real_clients():
    server = HttpsServer()
    kdig = need('kdig')
    for words in (['+https'], ['+https-get']):
        status, said, error = run([kdig, '@127.0.0.1', '-p', str(server.https_port), *words, f'+tls-ca={authority().cert}',
                                   '+tls-hostname=dns.test', 'x.test', 'A'])
        check(status == 0 and '192.0.2.1' in said, f'kdig {words[0]}', said + error)
    for alpn, ok in (('h2', True), ('http/1.1', True), ('dot', False)):
        _, said, _ = run([need('openssl'), 's_client', '-connect', f'127.0.0.1:{server.https_port}', '-alpn', alpn])
        equal(f'ALPN protocol: {alpn}' in said, ok, f's_client -alpn {alpn}')
    equal(curl_doh(server), '127.0.0.9', 'curl --doh-url finds the address')


def curl_doh(server):
    """The address that curl finds with our help."""
    _, _, said = run([need('curl'), '-sv', '--max-time', '5', '--cacert', authority().cert, '--doh-url',
                      f'https://127.0.0.1:{server.https_port}/dns-query', '--connect-timeout', '0.5', 'http://loop.test:9/'])
    found = re.search(r'(?:Trying|IPv4:|DoH A:) +\[?(127\.0\.0\.9)\b', said)
    return found and found[1]


def test_statuses_are_counted():
    page = free_port()
    server = HttpsServer(f'{HOSTS}\n    prometheus 127.0.0.1:{page}')
    _, url, how = places(server)[0]
    for path, count in ((f'/dns-query?dns={in_url(query())}', 3), ('/', 2), ('/dns-query', 1)):
        for _ in range(count):
            curl(url + path, *how)
    text = get(page, '/metrics')[1]
    for status, count in ((200, 3), (404, 2), (400, 1)):
        line = f'coredns_dns_https_responses_total{{server="https://127.0.0.1:{server.https_port}",status="{status}"}} {count}'
        check(line in text, line, re.findall('.*https_resp.*', text))


# ---- many at a time ----

def connect(server, alpn='http/1.1'):
    context = ssl.create_default_context(cafile=authority().cert)
    context.set_alpn_protocols([alpn])
    return context.wrap_socket(socket.create_connection(('127.0.0.1', server.https_port), 10), server_hostname='dns.test')


def get_text():
    return f'GET /dns-query?dns={in_url(query())} HTTP/1.1\r\nHost: dns.test\r\n\r\n'.encode()


def read_answer(stream):
    """(status, body) of HTTP/1.1, or None at the end of the stream."""
    line = stream.readline()
    if not line:
        return None
    length = 0
    while (field := stream.readline().strip()):
        if field.lower().startswith(b'content-length:'):
            length = int(field.split(b':')[1])
    return int(line.split()[1]), stream.read(length)


def test_pipelined_requests():
    server = HttpsServer()
    with connect(server) as sock, sock.makefile('rb') as stream:
        sock.sendall(get_text() * 200)
        equal([read_answer(stream)[0] for _ in range(200)], [200] * 200, 'two hundred of HTTP/1.1 in one write')


def test_requests_that_could_be_read_in_two_ways():
    server = HttpsServer()
    head = b'POST /dns-query HTTP/1.1\r\nHost: dns.test\r\n'
    coding, length = b'Transfer-Encoding: chunked\r\n', b'Content-Length: 5\r\n'
    for what, octets, status in (('both lengths', head + length + coding + b'\r\n0\r\n\r\n', 400),
                                 ('a coding twice', head + coding * 2 + b'\r\n0\r\n\r\n', 400),
                                 ('another coding', head + b'Transfer-Encoding: gzip\r\n\r\n0\r\n\r\n', 501),
                                 ('a bare line feed', head + coding + b'\r\n0\n\r\n', 400),
                                 ('a chunk longer than it says', head + coding + b'\r\n1\r\nxx\r\n0\r\n\r\n', 400),
                                 ('more than a message', head + coding + b'\r\n10000\r\n', 413)):
        with connect(server) as sock, sock.makefile('rb') as stream:
            sock.sendall(octets + get_text())
            equal(read_answer(stream)[0], status, what)
            equal(read_answer(stream), None, f'{what}: what follows is not read')
    one, chunk = query(), b'1\r\n%c\r\n'
    with connect(server) as sock, sock.makefile('rb') as stream:
        sock.sendall(head + coding + b'\r\n' + b''.join(chunk % octet for octet in one) + b'0\r\nx: y\r\n\r\n' + get_text())
        equal([read_answer(stream)[0] for _ in range(2)], [200, 200], 'octet by octet, with a trailer, and the next request')


def frame(kind, flags, ident, payload=b''):
    return struct.pack('>I', len(payload))[1:] + struct.pack('>BBI', kind, flags, ident) + payload


def literal(name, value):
    return b'\x10' + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def request(ident):
    fields = {':method': 'GET', ':scheme': 'https', ':authority': 'dns.test', ':path': f'/dns-query?dns={in_url(query())}'}
    return frame(1, 5, ident, b''.join(literal(*field) for field in fields.items()))


GREETING = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' + frame(4, 0, 0)


def frames_until(sock, enough):
    """Frames as (kind, flags, stream, payload) until enough(frame) or the end."""
    got, octets = [], b''
    while True:
        part = sock.recv(65536)
        if not part:
            return got
        octets += part
        while len(octets) >= 9 and len(octets) >= 9 + int.from_bytes(octets[:3], 'big'):
            size = int.from_bytes(octets[:3], 'big')
            kind, flags, ident = struct.unpack('>BBI', octets[3:9])
            got.append((kind, flags, ident, octets[9:9 + size]))
            octets = octets[9 + size:]
            if enough(got[-1]):
                return got


def test_streams_of_one_connection():
    server = HttpsServer()
    with connect(server, 'h2') as sock:
        sock.sendall(GREETING + b''.join(request(ident) for ident in range(1, 200, 2)))
        seen = set()
        frames_until(sock, lambda f: f[0] == 0 and f[1] & 1 and (seen.add(f[2]) or len(seen) == 100))
        equal(len(seen), 100, 'a hundred streams answered')


def test_rapid_reset():
    server = HttpsServer()
    with connect(server, 'h2') as sock:
        sock.sendall(GREETING)
        with contextlib.suppress(OSError):
            for base in range(1, 20001, 200):
                sock.sendall(b''.join(request(ident) + frame(3, 0, ident, b'\0\0\0\x08') for ident in range(base, base + 200, 2)))
        within(harness.ask(server, 'x.test').ms, 500, 'ten thousand requests withdrawn: UDP is answered')
    with connect(server) as sock, sock.makefile('rb') as stream:
        sock.sendall(get_text())
        equal(read_answer(stream)[0], 200, 'and others by HTTPS')


# ---- limits and ends ----

def test_max_connections():
    server = HttpsServer(more='https {\n        max_connections 2\n    }\n    multisocket 1')
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connect(server)) for _ in range(2)]
        for sock in socks:
            sock.sendall(get_text())
            with sock.makefile('rb') as stream:
                equal(read_answer(stream)[0], 200, 'one of two')
        third = stack.enter_context(connect(server))
        third.sendall(get_text())
        with third.makefile('rb') as stream:
            equal(read_answer(stream)[0], 200, 'the third')
        with contextlib.suppress(OSError):
            equal(socks[0].recv(100), b'', 'takes the place of the one that idled longest')
    equal(harness.ask(server, 'x.test').data, ['192.0.2.1'], 'UDP is not concerned')


def test_idle_ones_are_told_goodbye():
    server = HttpsServer(more='timeouts {\n        read 1s\n        idle 1s\n    }')
    with connect(server, 'h2') as sock:
        sock.sendall(GREETING + request(1))
        kinds = [f[0] for f in frames_until(sock, lambda f: False)]
        equal(kinds[-1], 7, 'GOAWAY before an idle connection of HTTP/2 closes')
    with connect(server) as sock:
        began = time.monotonic()
        sock.sendall(get_text()[:40])
        with contextlib.suppress(OSError):
            equal(sock.recv(100), b'', 'half a request, and no more: closed')
        within((time.monotonic() - began) * 1000, 3000, 'in time')


def test_reload_under_open_connections():
    server = HttpsServer()
    with connect(server, 'h2') as two, connect(server) as one, one.makefile('rb') as stream:
        two.sendall(GREETING + request(1))
        frames_until(two, lambda f: f[0] == 0)
        one.sendall(get_text())
        equal(read_answer(stream)[0], 200, 'before')
        server.directives = HOSTS.replace('192.0.2.1', '192.0.2.2')
        server.reload()
        one.sendall(get_text())
        equal(read_answer(stream)[1][-4:], bytes([192, 0, 2, 2]), 'HTTP/1.1 goes on, with what is new')
        two.sendall(request(3))
        equal(frames_until(two, lambda f: f[0] == 0)[-1][3][-4:], bytes([192, 0, 2, 2]), 'HTTP/2 too')


def test_a_listener_that_goes_takes_its_counters_with_it():
    server = HttpsServer(more=f'prometheus 127.0.0.1:{free_port()}')
    with connect(server, 'h2') as sock:
        no_window = frame(4, 0, 0, struct.pack('>HI', 4, 0))
        post = {':method': 'POST', ':scheme': 'https', ':authority': 'dns.test', ':path': '/nowhere'}
        sock.sendall(GREETING + no_window + request(1) + frame(1, 4, 3, b''.join(literal(*field) for field in post.items())))
        frames_until(sock, lambda f: f[0] == 1)
        without = '.:@PORT@' + server.text().split('.:@PORT@')[1]
        server.text = lambda: without
        server.reload()
        server.reload()  # by its end the first configuration is freed
        with contextlib.suppress(OSError):
            sock.sendall(frame(0, 1, 3, b'the rest of a request that is refused'))
            frames_until(sock, lambda f: f[2] == 3)
    equal(harness.ask(server, 'x.test').data, ['192.0.2.1'], 'the others are answered')


if __name__ == '__main__':
    harness.main()
