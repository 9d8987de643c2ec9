"""Asks names at a steady pace and notes what became of each question.

    python3 asker.py FILE RATE ZONE...          until SIGTERM

asks the name server of /etc/resolv.conf for svc-0000.many.svc.ZONE, svc-0001..., each once in
turn and none twice, RATE times a second for each zone. A line of FILE is one question:

    TIME ZONE MS RCODE EDE          TIME: when it was sent, by the monotonic clock; MS: until the
                                    answer; EDE: the code of an extended error, or -

with `lost` for RCODE where 2 s brought no answer. Nothing is asked again.
"""
import re
import select
import signal
import socket
import struct
import sys
import time

MANY = 3000
LOST_S = 2
OPT = struct.pack('>BHHIH', 0, 41, 1232, 0, 0)
stopped = False


def stop(*_):
    global stopped
    stopped = True


def question(ident, name):
    labels = b''.join(bytes([len(label)]) + label.encode() for label in name.split('.')) + b'\0'
    return struct.pack('>6H', ident, 0x100, 1, 0, 0, 1) + labels + struct.pack('>HH', 1, 1) + OPT


def skip_name(octets, at):
    while octets[at] and octets[at] < 192:
        at += octets[at] + 1
    return at + (2 if octets[at] else 1)


def extended_error(octets):
    """The code of the first extended error (RFC 8914), or '-'."""
    counts = struct.unpack_from('>4H', octets, 4)
    at = skip_name(octets, 12) + 4
    for _ in range(sum(counts[1:])):
        at = skip_name(octets, at)
        kind, _, _, length = struct.unpack_from('>HHIH', octets, at)
        at += 10
        if kind == 41:
            options = octets[at:at + length]
            while options:
                code, size = struct.unpack_from('>HH', options)
                if code == 15:
                    return struct.unpack_from('>H', options, 4)[0]
                options = options[4 + size:]
        at += length
    return '-'


class Asker:
    """One zone, one socket."""

    def __init__(self, zone, server, out):
        self.zone, self.out, self.count, self.open = zone, out, 0, {}
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.sock.setblocking(False)
        self.server = (server, 53)

    def ask(self):
        ident = self.count & 0xffff
        name = f'svc-{self.count % MANY:04}.many.svc.{self.zone}'
        self.count += 1
        self.open[ident] = time.monotonic()
        try:
            self.sock.sendto(question(ident, name), self.server)
        except OSError:
            pass  # lost, then

    def note(self, began, ms, rcode, error):
        self.out.write(f'{began:.4f} {self.zone} {ms:.2f} {rcode} {error}\n')

    def receive(self):
        while True:
            try:
                octets = self.sock.recv(4096)
            except OSError:
                return
            began = self.open.pop(struct.unpack_from('>H', octets)[0], None)
            if began is not None:
                self.note(began, (time.monotonic() - began) * 1000, octets[3] & 15, extended_error(octets))

    def give_up(self, before):
        """The oldest come first in the dict."""
        while self.open and next(iter(self.open.values())) < before:
            self.note(self.open.pop(next(iter(self.open))), LOST_S * 1000, 'lost', '-')


def main():
    path, rate, zones = sys.argv[1], float(sys.argv[2]), sys.argv[3:]
    with open('/etc/resolv.conf', encoding='ascii') as file:
        server = re.search(r'nameserver (\S+)', file.read())[1]
    signal.signal(signal.SIGTERM, stop)
    with open(path, 'w', encoding='ascii', buffering=1) as out:
        askers = [Asker(zone, server, out) for zone in zones]
        began = time.monotonic()
        while not stopped or any(a.open for a in askers):
            select.select([a.sock for a in askers], [], [], 0.002)
            now = time.monotonic()
            for asker in askers:
                asker.receive()
                while not stopped and asker.count < (now - began) * rate:
                    asker.ask()
                asker.give_up(now - LOST_S)


main()
