#!/usr/bin/env python3
"""Policy: `acl` and `view` judge every question, by the name the client asked and by each name it
became, over every transport, and again where the answer is cached. The matrix is made from the
tables below: a row that is added is multiplied by all others.
"""
import functools
import itertools
import os
import select
import socket
import struct

import badup
import harness
from harness import Isthmus, Reply, check, equal, free_port, loopback_net, make_query

NET = loopback_net()
INSIDE, OUTSIDE = f'{NET}.21', f'{NET}.41'
BECAME = {'plain': '{zone}', 'rewrite': 'in-{zone}', 'twice': 'in-{zone}', 'cluster': 'cluster.local'}
# How the name becomes another: lines of the block, @ZONE@ being the block's.
PATHS = {
    'plain': '',
    'rewrite': '    rewrite name suffix .@ZONE@ .in-@ZONE@ answer auto\n',
    'twice': '    rewrite continue name suffix .@ZONE@ .mid-@ZONE@ answer auto\n'
             '    rewrite name suffix .mid-@ZONE@ .in-@ZONE@ answer auto\n',
    'cluster': '    cluster @ZONE@ {\n        dns @UP@\n    }\n',
}
# Which names the policy is for.
PLACES = {'asked': '{zone}', 'became': '{became}', 'both': '{zone} {became}', 'block': '', 'other': 'other.test'}
# The policies: lines, and what happens to (inside, type A).
POLICIES = {
    'block net': ('block net @NET@', lambda inside, a: 'REFUSED' if inside else 'NOERROR'),
    'block type': ('block type A', lambda inside, a: 'REFUSED' if a else 'NOERROR'),
    'filter both': ('filter type A net @NET@', lambda inside, a: 'EMPTY' if inside and a else 'NOERROR'),
    'drop net': ('drop net @NET@', lambda inside, a: 'SILENT' if inside else 'NOERROR'),
    'allow first': ('allow net @NET@\n        block', lambda inside, a: 'NOERROR' if inside else 'REFUSED'),
}
TRANSPORTS = ('udp', 'tcp')
# CoreDNS can be put in the place of ISTHMUS; it has no `cluster`, and it misses what is guarded by
# the name that was asked where another became of it.
WITH_CLUSTER = 'coredns' not in os.environ.get('ISTHMUS', '')


def zones():
    """zone -> (path, place, policy), for all that goes together."""
    rows = itertools.product(PATHS if WITH_CLUSTER else list(PATHS)[:3], PLACES, POLICIES)
    return {f'c{i}.test': row for i, row in enumerate(rows)}


def block(zone, path, place, policy, up):
    became = BECAME[path].format(zone=zone)
    guarded = PLACES[place].format(zone=zone, became=became)
    lines = POLICIES[policy][0].replace('@NET@', f'{INSIDE}/32')
    way = PATHS[path].replace('@ZONE@', zone).replace('@UP@', f'{up.address}:{up.port}')
    return (f'{zone}:@PORT@ {{\n    bind 127.0.0.1\n    errors\n    cache 300 .\n{way}'
            f'    acl {guarded} {{\n        {lines}\n    }}\n    forward . {up.address}:{up.port}\n}}\n')


def expected(place, policy, inside, is_a):
    return 'NOERROR' if place == 'other' else POLICIES[policy][1](inside, is_a)


class Clients:
    """One socket for each source and transport."""

    def __init__(self, server):
        self.sockets, self.numbered = {}, 1
        for source, transport in itertools.product((INSIDE, OUTSIDE), TRANSPORTS):
            kind = socket.SOCK_DGRAM if transport == 'udp' else socket.SOCK_STREAM
            sock = socket.socket(socket.AF_INET, kind)
            sock.bind((source, 0))
            sock.connect((server.address, server.port))
            sock.settimeout(10)
            self.sockets[source, transport] = sock

    def close(self):
        for sock in self.sockets.values():
            sock.close()

    def send(self, source, transport, octets):
        self.sockets[source, transport].sendall(octets if transport == 'udp' else struct.pack('>H', len(octets)) + octets)

    def receive(self, source, transport):
        sock = self.sockets[source, transport]
        if transport == 'udp':
            return Reply(sock.recv(65535), 0)
        head = sock.recv(2, socket.MSG_WAITALL)
        return Reply(sock.recv(struct.unpack('>H', head)[0], socket.MSG_WAITALL), 0)

    def outcomes(self, source, transport, questions, wanted):
        """What became of questions that are asked at once. An answer to one that was to be dropped
        is seen here or by the next who uses the socket: every identifier is a number of its own."""
        numbers = {}
        for number, (name, rdtype) in enumerate(questions, self.numbered):
            self.send(source, transport, make_query(name, rdtype, ident=number))
            numbers[number] = len(numbers)
        self.numbered += len(questions)
        outcomes = ['SILENT'] * len(questions)
        awaited = sum(want != 'SILENT' for want in wanted)
        while awaited > 0 or select.select([self.sockets[source, transport]], [], [], 0)[0]:
            reply = self.receive(source, transport)
            at = numbers.get(reply.parsed.ident)
            if not check(at is not None, 'nothing comes late', reply.text):
                continue
            outcomes[at] = 'EMPTY' if reply.rcode == 'NOERROR' and not reply.answer else reply.rcode
            awaited -= wanted[at] != 'SILENT'
        return outcomes


@functools.cache
def upstream():
    return badup.Upstream(f'{NET}.10', free_port(), 'good')


def test_acl_judges_every_name_on_every_transport_and_again_on_a_hit():
    rows = zones()
    text = ''.join(block(zone, *row, upstream()) for zone, row in rows.items())
    server = Isthmus(text)
    clients = Clients(server)
    # Twice: what the first round was allowed is cached for the second.
    for round_, transport, rdtype, source in itertools.product((1, 2), TRANSPORTS, ('A', 'AAAA'), (OUTSIDE, INSIDE)):
        what = f'round {round_}, {transport}, {rdtype}, {"inside" if source == INSIDE else "outside"}'
        for chunk in chunks(list(rows.items()), 20):
            questions = [(f'X.{zone}', rdtype) for zone, _ in chunk]
            wanted = [expected(place, policy, source == INSIDE, rdtype == 'A') for _, (_, place, policy) in chunk]
            got = clients.outcomes(source, transport, questions, wanted)
            for (zone, row), outcome, want in zip(chunk, got, wanted):
                check(outcome == want, f'{what}: {" / ".join(row)}', f'{zone}: {outcome}, expected {want}')
    clients.close()
    blocked = {f'x.{BECAME[path].format(zone=zone)}' for zone, (path, place, policy) in rows.items()
               if place != 'other' and path != 'cluster' and policy == 'block type'}
    leaks = {seen.name for seen in upstream().seen if seen.parsed.question[-4:-2] == b'\0\1' and seen.name.lower() in blocked}
    equal(leaks, set(), 'no upstream heard of what is blocked')


def chunks(rows, size):
    return [rows[i:i + size] for i in range(0, len(rows), size)]


# ---- view ----

# The condition, and whether it holds for (source, transport, rdtype, name).
VIEWS = {
    'net': ('incidr(client_ip(), \'@NET@\')', lambda s, t, r, n: s == INSIDE),
    'proto': ('proto() == \'tcp\'', lambda s, t, r, n: t == 'tcp'),
    'type': ('type() in [\'AAAA\', \'MX\']', lambda s, t, r, n: r == 'AAAA'),
    'name': ('name() startsWith \'a.\'', lambda s, t, r, n: n.startswith('a.')),
    'two': ('incidr(client_ip(), \'@NET@\') && type() == \'A\'', lambda s, t, r, n: s == INSIDE and r == 'A'),
}


def view_blocks(zone, condition, rename):
    """The block of the view and the one behind it: same zone, same names, other addresses."""
    text = ''
    for address, view in (('192.0.2.1', f'    view v {{\n        expr {condition}\n    }}\n'), ('192.0.2.2', '')):
        way = f'    rewrite name suffix .{zone} .in-{zone} answer auto\n' if rename else ''
        target = f'in-{zone}' if rename else zone
        six = address.replace('192.0.2.', '2001:db8::')
        text += (f'{zone}:@PORT@ {{\n    bind 127.0.0.1\n{view}    errors\n    cache 300 .\n{way}    hosts /dev/null {target} {{\n'
                 f'        {address} a.{target} b.{target}\n        {six} a.{target} b.{target}\n    }}\n}}\n')
    return text


def test_views_are_chosen_anew_for_every_question():
    rows = {f'v{i}.test': row for i, row in enumerate(itertools.product(VIEWS, (False, True)))}
    server = Isthmus(''.join(view_blocks(zone, VIEWS[name][0].replace('@NET@', f'{INSIDE}/32'), rename)
                             for zone, (name, rename) in rows.items()))
    clients = Clients(server)
    for round_, source, transport, rdtype, label in itertools.product((1, 2), (OUTSIDE, INSIDE), TRANSPORTS, ('A', 'AAAA'), 'ab'):
        for zone, (view, rename) in rows.items():
            clients.send(source, transport, make_query(f'{label.upper()}.{zone}', rdtype))
            reply = clients.receive(source, transport)
            number = 1 if VIEWS[view][1](source, transport, rdtype, f'{label}.{zone}') else 2
            want = f'192.0.2.{number}' if rdtype == 'A' else f'2001:db8::{number}'
            equal(reply.data, [want], f'round {round_}, {transport}, {rdtype}, {source}: {view}, rewrite {rename}, {label}')
    clients.close()


if __name__ == '__main__':
    harness.main()
