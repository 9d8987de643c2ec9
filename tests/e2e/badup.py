"""A scripted upstream for tests: one thread, one address, one habit at a time, and it
remembers every question.

    up = Upstream('127.4.0.10', port, 'silent')
    ... up.habit = 'good'; assert up.asked('app.web.svc.cluster.local')

The first label of a question may set a habit of its own for that name: `slow-200.x`, `big-40.x`,
`silent.x`, `servfail.x`. Habits:

    good          A 192.0.2.7, AAAA 2001:db8::7, TXT, PTR, else NODATA with an SOA
    silent        nothing           slow-N     good, after N ms
    servfail refused notimp formerr nxdomain   that code, with the question
    header        twelve octets: FORMERR without a question
    garbage       right ID, then noise         loop    right ID and question, a pointer to itself
    short         half a header     empty      a datagram of no octets
    cut           good, without its last four octets
    wrong-id wrong-name wrong-type not-reply other-port no-question    a forgery of that kind
    noise         forgeries of every kind, then good
    tc            TC by UDP, good by TCP       tc-closed  TC, and TCP connections are closed
    tc-hang       TC, and TCP is accepted but never answered
    udp-silent    nothing by UDP, good by TCP
    no-probe      good, but nothing for dns-version
    big-N         N TXT records of 100 octets
"""
import os
import selectors
import socket
import struct
import threading
import time
from dataclasses import dataclass

import wire

FORGERIES = ('wrong-id', 'wrong-name', 'wrong-type', 'not-reply', 'other-port', 'no-question')
FORGED_ADDRESS = '203.0.113.66'
RCODES = {'servfail': 2, 'nxdomain': 3, 'notimp': 4, 'refused': 5, 'formerr': 1}


@dataclass
class Seen:
    """A question that came: when, how, from which port, and its octets."""
    at: float
    tcp: bool
    port: int
    wire: bytes

    @property
    def parsed(self):
        return wire.parse(self.wire)

    @property
    def name(self):
        """Dotted, without the final dot, letter case as it came."""
        return '.'.join(label.decode('latin-1') for label in wire.labels(self.parsed.qname))

    @property
    def is_probe(self):
        return self.name.lower().startswith('dns-version.')


def reply(asked, flags, answers=(), authority=(), additional=()):
    parsed = wire.parse(asked)
    copied = parsed.flags & (wire.RD | wire.CD)
    return wire.message(parsed.ident, wire.QR | copied | flags, [parsed.question], answers, authority, additional)


class Upstream:
    def __init__(self, address, port, habit='good'):
        self.address, self.port, self.habit = address, port, habit
        self.answer_address = '192.0.2.7'
        self.domain = 'cluster.local'  # of SOA and PTR
        self.records = {}  # (lower-case name, type number) -> list of RDATA
        self.custom = None  # octets of a question -> octets of the answer, or None for the habit's
        self.seen = []
        family = socket.AF_INET6 if ':' in address else socket.AF_INET
        self._udp = socket.socket(family, socket.SOCK_DGRAM)
        self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self._udp.bind((address, port))
        self._other = socket.socket(family, socket.SOCK_DGRAM)
        self._other.bind((address, 0))
        self._tcp = socket.socket(family, socket.SOCK_STREAM)
        self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._tcp.bind((address, port))
        self._tcp.listen(128)
        self._later, self._buffers, self._stop = [], {}, False
        self._selector = selectors.DefaultSelector()
        for sock in (self._udp, self._tcp):
            sock.setblocking(False)
            self._selector.register(sock, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self):
        """Also what a killed server does: the ports are closed."""
        self._stop = True
        self._thread.join()
        for sock in (self._udp, self._other, self._tcp, *self._buffers):
            sock.close()

    def asked(self, name=None, probes=False):
        """The questions so far, of that name if given, without probes unless wanted."""
        return [s for s in list(self.seen) if (probes or not s.is_probe)
                and (name is None or s.name.lower() == name.lower())]

    def forget(self):
        self.seen = []

    # ---- the loop ----

    def _run(self):
        while not self._stop:
            self._later.sort(key=lambda entry: entry[0])
            wait = 0.05
            if self._later:
                wait = min(wait, max(0, self._later[0][0] - time.monotonic()))
            for key, _ in self._selector.select(wait):
                self._ready(key.fileobj)
            now = time.monotonic()
            while self._later and self._later[0][0] <= now:
                self._send(*self._later.pop(0)[1:])

    def _ready(self, sock):
        if sock is self._udp:
            self._read_udp()
        elif sock is self._tcp:
            self._accept()
        else:
            self._read_tcp(sock)

    def _read_udp(self):
        for _ in range(256):
            try:
                octets, peer = self._udp.recvfrom(65535)
            except OSError:
                return
            self._take(octets, None, peer)

    def _accept(self):
        try:
            sock, _ = self._tcp.accept()
        except OSError:
            return
        if self.habit == 'tc-closed':
            sock.close()
            return
        sock.setblocking(False)
        self._buffers[sock] = b''
        self._selector.register(sock, selectors.EVENT_READ)

    def _read_tcp(self, sock):
        try:
            octets = sock.recv(65535)
        except BlockingIOError:
            return
        except OSError:
            octets = b''
        if not octets:
            self._selector.unregister(sock)
            del self._buffers[sock]
            sock.close()
            return
        buffer = self._buffers[sock] + octets
        while len(buffer) >= 2 and len(buffer) >= 2 + struct.unpack_from('>H', buffer)[0]:
            length = struct.unpack_from('>H', buffer)[0]
            self._take(buffer[2:2 + length], sock, sock.getpeername())
            buffer = buffer[2 + length:]
        self._buffers[sock] = buffer

    def _take(self, octets, sock, peer):
        seen = Seen(time.monotonic(), sock is not None, peer[1], octets)
        self.seen.append(seen)
        try:
            first = seen.name.split('.')[0].lower()
        except wire.Malformed:
            return
        known = first in HABITS or first.startswith(('slow-', 'big-'))
        habit = first if known else self.habit
        if habit == 'no-probe':
            habit = 'silent' if seen.is_probe else 'good'
        for delay, answer, source in self._answers(habit, octets, sock is not None):
            self._later.append((time.monotonic() + delay, answer, sock, peer, source))

    def _send(self, octets, sock, peer, source):
        try:
            if sock is None:
                (source or self._udp).sendto(octets, peer)
            else:
                sock.setblocking(True)
                sock.sendall(struct.pack('>H', len(octets)) + octets)
                sock.setblocking(False)
        except OSError:
            pass

    # ---- what is answered: (delay in seconds, octets, socket to send from or None) ----

    def _answers(self, habit, asked, tcp):
        good = self._good(asked)
        if habit == 'silent' or (habit == 'udp-silent' and not tcp) or (habit == 'tc-hang' and tcp):
            return []
        if habit.startswith('slow-'):
            return [(int(habit[5:]) / 1000, good, None)]
        if habit.startswith('big-'):
            return [(0, self._big(asked, int(habit[4:]), tcp), None)]
        if habit.startswith('tc') and not tcp:
            return [(0, reply(asked, wire.TC), None)]
        if habit in RCODES:
            return [(0, self._with_code(asked, RCODES[habit]), None)]
        if habit in FORGERIES:
            return [(0, *self._forged(asked, habit))]
        if habit == 'noise':
            noise = [(0, *self._forged(asked, kind)) for kind in FORGERIES]
            return [*noise, (0, b'', None), (0, b'x', None), (0.005, good, None)]
        return [(0, self._broken(habit, asked, good), None)]

    @staticmethod
    def _broken(habit, asked, good):
        if habit == 'garbage':
            return asked[:2] + os.urandom(70)
        if habit == 'header':
            return asked[:2] + struct.pack('>HHHHH', wire.QR | wire.FORMERR, 0, 0, 0, 0)
        if habit == 'loop':
            at = len(wire.message(questions=[wire.parse(asked).question]))
            pointer = struct.pack('>H', 0xc000 | at)
            return reply(asked, 0, [pointer + struct.pack('>HHIH', 1, 1, 5, 4) + bytes(4)])
        if habit == 'cut':
            return good[:-4]
        return {'short': asked[:6], 'empty': b''}.get(habit, good)

    def _soa(self):
        names = wire.name('ns.dns.' + self.domain) + wire.name('hostmaster.' + self.domain)
        return wire.record(self.domain, 'SOA', names + struct.pack('>IIIII', 1, 7200, 1800, 86400, 30))

    def _with_code(self, asked, code):
        authority = [self._soa()] if code == wire.NXDOMAIN else []
        return reply(asked, code | wire.AA, authority=authority)

    def _good(self, asked):
        answer = self.custom(asked) if self.custom else None
        return answer or self._usual(asked)

    def _usual(self, asked):
        parsed = wire.parse(asked)
        qtype = parsed.qtype
        data = self.records.get((parsed.qname.lower(), qtype))
        if data is None:
            data = {
                1: [socket.inet_aton(self.answer_address)],
                28: [socket.inet_pton(socket.AF_INET6, '2001:db8::7')],
                16: [b'\x051.1.0' if parsed.qname[1:12] == b'dns-version' else b'\x04text'],
                12: [wire.name('ptr.' + self.domain)],
            }.get(qtype)
        if not data:
            return reply(asked, wire.AA, authority=[self._soa()])
        return reply(asked, wire.AA, [wire.record(b'\xc0\x0c', qtype, one) for one in data])

    @staticmethod
    def _big(asked, count, tcp):
        texts = [wire.record(b'\xc0\x0c', 'TXT', bytes([99]) + b'%03d' % i + b'b' * 96) for i in range(count)]
        whole = reply(asked, wire.AA, texts)
        return whole if tcp or len(whole) <= 1232 else reply(asked, wire.TC | wire.AA)

    def _forged(self, asked, kind):
        """(octets, socket) of an answer that must not be believed."""
        address = socket.inet_aton(FORGED_ADDRESS)
        forged = bytearray(reply(asked, wire.AA, [wire.record(b'\xc0\x0c', 'A', address)]))
        end = 12 + len(wire.parse(asked).question)
        if kind == 'wrong-id':
            forged[1] ^= 0x55
        elif kind == 'wrong-name':
            forged[13] ^= 1
        elif kind == 'wrong-type':
            forged[end - 3] ^= 28
        elif kind == 'not-reply':
            forged[2] &= 0x7f
        elif kind == 'no-question':
            answer = wire.record(asked[12:end - 4], 'A', address)
            flags = wire.QR | wire.AA | wire.RD
            return wire.message(struct.unpack_from('>H', asked)[0], flags, answers=[answer]), None
        return bytes(forged), self._other if kind == 'other-port' else None


HABITS = {'silent', 'garbage', 'header', 'loop', 'cut', 'short', 'empty', 'noise', 'tc', *RCODES, *FORGERIES}
