"""A server of DNS over HTTPS for tests: a thread for each connection, HTTP/2 or HTTP/1.1 as ALPN has
it, one habit at a time, and it remembers every request.

    up = DohServer(identity, alpn='h2')
    ... up.habit = 'status-404'; up.next = ['goaway']; assert up.requests[0].query

`next` are habits for the questions to come, each for one; then `habit` goes on. Habits:

    good          A 192.0.2.7, TTL 100         aged       good, and a cache has had it for 40 s
    slow-N        good, after N ms             silent     nothing
    status-N      that status, with some text  page       a page of HTML with status 200
    noise         the right type, and no DNS message
    other         a good answer to another question
    long          more than a message can have
    chunked       good, in chunks (HTTP/1.1)   to-the-end good, up to the end of the connection (HTTP/1.1)
    last          good, and it takes no more requests
    close         the connection is closed     cut        likewise, without a word of TLS
    refused reset goaway   the stream, or the connection, is refused (HTTP/2)
"""
import base64
import contextlib
import socket
import ssl
import struct
import threading
import time
from dataclasses import dataclass, field

import wire
from harness import free_port

PREFACE = b'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
TYPE = 'application/dns-message'


@dataclass
class Request:
    """What was asked: over which connection, and for HTTP/1.1 with which head."""
    connection: int
    query: bytes
    line: str = ''
    fields: dict = field(default_factory=dict)


def answer_to(query, name=None):
    """An A record for the question, or for another one."""
    parsed = wire.parse(query)
    asked = parsed.question if name is None else wire.question(name)
    return wire.message(parsed.ident, wire.QR | wire.RD | wire.RA, [asked],
                        [wire.record(b'\xc0\x0c', 'A', b'\xc0\0\2\7', 100)])


def frame(kind, flags, stream, payload=b''):
    return struct.pack('>I', len(payload))[1:] + struct.pack('>BBI', kind, flags, stream) + payload


def literal(name, value):
    """A field without compression; both shorter than 127 octets."""
    return b'\x10' + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


class Connection:
    """What both kinds of HTTP have in common: octets, and what a habit makes of a question."""

    def __init__(self, server, sock, number):
        self.server, self.sock, self.number, self.lock = server, sock, number, threading.Lock()

    def send(self, octets):
        with self.lock, contextlib.suppress(OSError):
            self.sock.sendall(octets)

    def close(self, politely=True):
        with contextlib.suppress(OSError):
            if politely:
                self.sock.unwrap()
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def serve(self, request, stream):
        habit = self.server.take_habit(request)
        word, _, number = habit.partition('-')
        if word == 'slow':
            timer = threading.Timer(int(number) / 1000, self.act, ('good', '', request, stream))
            timer.daemon = True
            timer.start()
        else:
            self.act(word, number, request, stream)

    def act(self, word, number, request, stream):
        fields, body, status = {'content-type': TYPE}, answer_to(request.query), '200'
        if word in ('silent', 'close', 'cut', 'refused', 'reset', 'goaway'):
            self.misbehave(word, stream)
            return
        if word == 'status':
            fields, body, status = {'content-type': 'text/plain'}, b'no answer here\n', number
        elif word == 'page':
            fields, body = {'content-type': 'text/html; charset=utf-8'}, b'<html>Sign in</html>'
        elif word == 'noise':
            body = b'\x5a' * 99
        elif word == 'other':
            body = answer_to(request.query, 'elsewhere.test')
        elif word == 'long':
            body = bytes(70000)
        elif word == 'aged':
            fields['age'] = '40'
        self.respond(status, fields, body, word, stream)

    def misbehave(self, word, stream):
        if word == 'close':
            self.close()
        elif word == 'cut':
            self.close(politely=False)


class Http2(Connection):
    def __init__(self, *words):
        super().__init__(*words)
        self.queries = {}

    def run(self):
        octets = b''
        while len(octets) < len(PREFACE):
            octets += self.sock.recv(65536) or (_ for _ in ()).throw(OSError('closed'))
        octets = octets[len(PREFACE):]
        limit = struct.pack('>HI', 3, self.server.streams)
        self.send(frame(SETTINGS, 0, 0, limit))
        while True:
            while len(octets) >= 9 and len(octets) >= 9 + int.from_bytes(octets[:3], 'big'):
                size = int.from_bytes(octets[:3], 'big')
                self.take(*struct.unpack('>BBI', octets[3:9]), octets[9:9 + size])
                octets = octets[9 + size:]
            part = self.sock.recv(65536)
            if not part:
                return
            octets += part

    def take(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & 1:
            self.send(frame(SETTINGS, 1, 0))
        elif kind == PING and not flags & 1:
            self.send(frame(PING, 1, 0, payload))
        elif kind == RST_STREAM:
            self.server.resets.append(stream)
        elif kind == DATA:
            self.queries[stream] = self.queries.get(stream, b'') + payload
            if flags & 1:
                self.serve(Request(self.number, self.queries.pop(stream)), stream)

    def respond(self, status, fields, body, word, stream):
        head = b''.join(literal(name, value) for name, value in {':status': status, **fields}.items())
        parts = [body[i:i + 16384] for i in range(0, len(body), 16384)] or [b'']
        self.send(frame(HEADERS, 4, stream, head)
                  + b''.join(frame(DATA, i == len(parts) - 1, stream, part) for i, part in enumerate(parts)))
        if word == 'last':
            self.send(frame(GOAWAY, 0, 0, struct.pack('>II', stream, 0)))

    def misbehave(self, word, stream):
        if word == 'goaway':
            self.send(frame(GOAWAY, 0, 0, struct.pack('>II', max(stream - 2, 0), 0)))
        elif word in ('refused', 'reset'):
            self.send(frame(RST_STREAM, 0, stream, struct.pack('>I', 7 if word == 'refused' else 2)))
        else:
            super().misbehave(word, stream)


class Http1(Connection):
    def run(self):
        stream = self.sock.makefile('rb')
        while (line := stream.readline().decode().strip()):
            fields = {}
            while (text := stream.readline().decode().strip()):
                name, _, value = text.partition(':')
                fields[name.lower()] = value.strip()
            body = stream.read(int(fields.get('content-length', 0)))
            query = body or decoded(line.split()[1].partition('dns=')[2])
            self.serve(Request(self.number, query, line, fields), None)

    def respond(self, status, fields, body, word, stream):
        lines = [f'HTTP/1.1 {status} words', *(f'{name}: {value}' for name, value in fields.items())]
        if word == 'chunked':
            lines.append('Transfer-Encoding: chunked')
            body = b''.join(b'1\r\n%c\r\n' % octet for octet in body) + b'0\r\n\r\n'
        elif word != 'to-the-end':
            lines.append(f'Content-Length: {len(body)}')
        if word == 'last':
            lines.append('Connection: close')
        self.send('\r\n'.join([*lines, '', '']).encode() + body)
        if word in ('last', 'to-the-end'):
            self.close()


def decoded(text):
    """base64url without padding, and nothing else."""
    assert '=' not in text and '+' not in text and '/' not in text
    return base64.urlsafe_b64decode(text + '=' * (-len(text) % 4))


class DohServer:
    def __init__(self, identity, alpn='h2', habit='good', address='127.0.0.1', streams=100):
        self.address, self.port, self.alpn, self.habit, self.streams = address, free_port(), alpn, habit, streams
        self.next, self.requests, self.names, self.peers, self.resets = [], [], [], [], []
        self.connections, self.open = 0, 0
        self.lock = threading.Lock()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(identity.cert, identity.key)
        self.context.sni_callback = lambda sock, name, context: self.names.append(name)
        if alpn:
            self.context.set_alpn_protocols([alpn])
        self.listener = socket.create_server((address, self.port), backlog=64)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()

    def take_habit(self, request):
        with self.lock:
            self.requests.append(request)
            return self.next.pop(0) if self.next else self.habit

    def asked(self, name):
        """Requests for that name."""
        return [r for r in list(self.requests) if wire.parse(r.query).qname == wire.name(name)]

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                sock, peer = self.listener.accept()
                self.peers.append(peer[0])
                threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with contextlib.suppress(OSError, ValueError):
            sock = self.context.wrap_socket(sock, server_side=True)
            with self.lock:
                self.connections += 1
                self.open += 1
                number = self.connections
            try:
                (Http2 if sock.selected_alpn_protocol() == 'h2' else Http1)(self, sock, number).run()
            finally:
                with self.lock:
                    self.open -= 1
        sock.close()
