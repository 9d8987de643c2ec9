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
import ssl
import struct

import badup
import harness
import wire
from harness import Isthmus, Reply, check, equal, free_port, loopback_net, make_query
from pki import authority, host

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
TRANSPORTS = ('udp', 'tcp', 'tls', 'https')
# CoreDNS can be put in the place of ISTHMUS; it has no `cluster`, and it misses what is guarded by
# the name that was asked where another became of it.
WITH_CLUSTER = 'coredns' not in os.environ.get('ISTHMUS', '')


def zones():
    """zone -> (path, place, policy), for all that goes together."""
    rows = itertools.product(PATHS if WITH_CLUSTER else list(PATHS)[:3], PLACES, POLICIES)
    return {f'c{i}.test': row for i, row in enumerate(rows)}


class Server(Isthmus):
    """Isthmus with blocks that are served by every transport: keys(zone) begins one, on_top() goes into it."""

    def __init__(self, text_of):
        self.ports = {'tls': free_port(), 'https': free_port()}
        super().__init__(text_of(self))

    def keys(self, zone):
        return ' '.join([f'{zone}:@PORT@', *(f'{scheme}://{zone}:{port}' for scheme, port in self.ports.items())])

    @staticmethod
    def on_top():
        return f'    bind 127.0.0.1\n    tls {host().cert} {host().key} {{\n        reload 0\n    }}\n    errors\n'


def block(server, zone, path, place, policy):
    became = BECAME[path].format(zone=zone)
    guarded = PLACES[place].format(zone=zone, became=became)
    lines = POLICIES[policy][0].replace('@NET@', f'{INSIDE}/32')
    up = f'{upstream().address}:{upstream().port}'
    way = PATHS[path].replace('@ZONE@', zone).replace('@UP@', up)
    return (f'{server.keys(zone)} {{\n{server.on_top()}    cache 300 .\n{way}'
            f'    acl {guarded} {{\n        {lines}\n    }}\n    forward . {up}\n}}\n')


def expected(place, policy, inside, is_a):
    return 'NOERROR' if place == 'other' else POLICIES[policy][1](inside, is_a)


class Client:
    """One source and transport."""

    def __init__(self, server, source, transport):
        kind = socket.SOCK_DGRAM if transport == 'udp' else socket.SOCK_STREAM
        self.transport = transport
        self.sock = socket.socket(socket.AF_INET, kind)
        self.sock.settimeout(30)
        self.sock.bind((source, 0))
        self.sock.connect((server.address, server.ports.get(transport, server.port)))
        if transport in server.ports:
            context = ssl.create_default_context(cafile=authority().cert)
            context.set_alpn_protocols(['dot' if transport == 'tls' else 'http/1.1'])
            self.sock = context.wrap_socket(self.sock, server_hostname='dns.test')
        self.stream = None if transport == 'udp' else self.sock.makefile('rb')
        self.numbered, self.waiting = 1, []

    def send(self, octets):
        if self.transport in ('tcp', 'tls'):
            octets = struct.pack('>H', len(octets)) + octets
        elif self.transport == 'https':
            octets = f'POST /dns-query HTTP/1.1\r\nHost: dns.test\r\nContent-Length: {len(octets)}\r\n\r\n'.encode() + octets
        self.sock.sendall(octets)

    def receive(self):
        """A reply; by HTTPS None where there is none, which has a status of its own."""
        if self.transport == 'udp':
            return Reply(self.sock.recv(65535), 0)
        if self.transport != 'https':
            return Reply(self.stream.read(struct.unpack('>H', self.stream.read(2))[0]), 0)
        status, length = self.stream.readline().split()[1], 0
        while (field := self.stream.readline().strip()):
            if field.lower().startswith(b'content-length:'):
                length = int(field.split(b':')[1])
        body = self.stream.read(length)
        return Reply(body, 0) if status == b'200' else None

    def outcomes(self, questions, wanted):
        """What became of questions that are asked at once. An answer to one that was to be dropped
        is seen here or by the next who uses the socket: every identifier is a number of its own."""
        numbers = {}
        for number, (name, rdtype) in enumerate(questions, self.numbered):
            self.send(make_query(name, rdtype, ident=number))
            numbers[number] = len(numbers)
        self.numbered += len(questions)
        if self.transport == 'https':  # one after the other
            return [outcome_of(self.receive()) for _ in questions]
        outcomes = ['SILENT'] * len(questions)
        awaited = sum(want != 'SILENT' for want in wanted)
        while awaited > 0 or self.has_more():
            reply = self.receive()
            at = numbers.get(reply.parsed.ident)
            if not check(at is not None, 'nothing comes late', reply.text):
                continue
            outcomes[at] = outcome_of(reply)
            awaited -= wanted[at] != 'SILENT'
        return outcomes

    def has_more(self):
        return bool(select.select([self.sock], [], [], 0)[0] or (self.transport == 'tls' and self.sock.pending()))


def outcome_of(reply):
    if reply is None:
        return 'SILENT'
    return 'EMPTY' if reply.rcode == 'NOERROR' and not reply.answer else reply.rcode


def clients_of(server):
    return {(source, transport): Client(server, source, transport)
            for source, transport in itertools.product((INSIDE, OUTSIDE), TRANSPORTS)}


@functools.cache
def upstream():
    return badup.Upstream(f'{NET}.10', free_port(), 'good')


def test_acl_judges_every_name_on_every_transport_and_again_on_a_hit():
    rows = zones()
    server = Server(lambda server: ''.join(block(server, zone, *row) for zone, row in rows.items()))
    clients = clients_of(server)
    # Twice: what the first round was allowed is cached for the second.
    for round_, transport, rdtype, source in itertools.product((1, 2), TRANSPORTS, ('A', 'AAAA'), (OUTSIDE, INSIDE)):
        what = f'round {round_}, {transport}, {rdtype}, {"inside" if source == INSIDE else "outside"}'
        for chunk in chunks(list(rows.items()), 20):
            questions = [(f'X.{zone}', rdtype) for zone, _ in chunk]
            wanted = [expected(place, policy, source == INSIDE, rdtype == 'A') for _, (_, place, policy) in chunk]
            got = clients[source, transport].outcomes(questions, wanted)
            for (zone, row), outcome, want in zip(chunk, got, wanted):
                check(outcome == want, f'{what}: {" / ".join(row)}', f'{zone}: {outcome}, expected {want}')
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
    'proto': ('proto() == \'tcp\'', lambda s, t, r, n: t != 'udp'),
    'type': ('type() in [\'AAAA\', \'MX\']', lambda s, t, r, n: r == 'AAAA'),
    'name': ('name() startsWith \'a.\'', lambda s, t, r, n: n.startswith('a.')),
    'two': ('incidr(client_ip(), \'@NET@\') && type() == \'A\'', lambda s, t, r, n: s == INSIDE and r == 'A'),
}


def view_blocks(server, zone, condition, rename):
    """The block of the view and the one behind it: same zone, same names, other addresses."""
    text = ''
    for address, view in (('192.0.2.1', f'    view v {{\n        expr {condition}\n    }}\n'), ('192.0.2.2', '')):
        way = f'    rewrite name suffix .{zone} .in-{zone} answer auto\n' if rename else ''
        target = f'in-{zone}' if rename else zone
        six = address.replace('192.0.2.', '2001:db8::')
        text += (f'{server.keys(zone)} {{\n{view}{server.on_top()}    cache 300 .\n{way}    hosts /dev/null {target} {{\n'
                 f'        {address} a.{target} b.{target}\n        {six} a.{target} b.{target}\n    }}\n}}\n')
    return text


def test_views_are_chosen_anew_for_every_question():
    rows = {f'v{i}.test': row for i, row in enumerate(itertools.product(VIEWS, (False, True)))}
    server = Server(lambda server: ''.join(view_blocks(server, zone, VIEWS[name][0].replace('@NET@', f'{INSIDE}/32'), rename)
                                           for zone, (name, rename) in rows.items()))
    clients = clients_of(server)
    for round_, source, transport, rdtype, label in itertools.product((1, 2), (OUTSIDE, INSIDE), TRANSPORTS, ('A', 'AAAA'), 'ab'):
        client = clients[source, transport]
        for zone in rows:
            client.send(make_query(f'{label.upper()}.{zone}', rdtype, ident=zone_number(zone)))
        for _ in rows:
            reply = client.receive()
            zone = f'v{reply.parsed.ident}.test'
            view, rename = rows[zone]
            number = 1 if VIEWS[view][1](source, transport, rdtype, f'{label}.{zone}') else 2
            want = f'192.0.2.{number}' if rdtype == 'A' else f'2001:db8::{number}'
            equal(reply.data, [want], f'round {round_}, {transport}, {rdtype}, {source}: {view}, rewrite {rename}, {label}')


def zone_number(zone):
    return int(zone[1:].split('.')[0])


# ---- names that lead into another block ----

# How a name of the outer block becomes one of the inner, which has the policy; the outer has a cache.
LEADS = {
    'template': '    template IN ANY @ZONE@ {\n        answer "{{ .Name }} 60 IN CNAME x.in-@ZONE@."\n        upstream\n    }\n',
    'file': '    file @FILE@ @ZONE@\n',
    'cluster': '    cluster @ZONE@ {\n        dns @UP@\n    }\n',
}
# The inner blocks, and what is answered (inside, A): an address, or the end of the chain before it.
GUARDS = {
    'acl': ('    acl {\n        block net @NET@\n    }\n@HOSTS2@', lambda inside, a: None if inside else 2),
    'acl allows': ('    acl in-@ZONE@ {\n        allow net @NET@\n        block\n    }\n@HOSTS2@', lambda inside, a: 2 if inside else None),
    'acl filters': ('    acl {\n        filter type A net @NET@\n    }\n@HOSTS2@', lambda inside, a: None if inside and a else 2),
    'view': ('    view v {\n        expr incidr(client_ip(), \'@NET@\')\n    }\n@HOSTS1@}\n@BLOCK@@HOSTS2@', lambda inside, a: 1 if inside else 2),
}


def leading_blocks(server, number, lead, guard):
    zone = f'l{number}.test'
    zone_file = harness.write(os.path.join(harness.folder('zone'), 'db'), f'$ORIGIN {zone}.\n@ 60 IN SOA a b 1 2 3 4 60\n@ 60 IN NS a\n'
                                                                          f'x 60 IN CNAME x.in-{zone}.\n')
    inner = GUARDS[guard][0]
    for address in '12':
        inner = inner.replace(f'@HOSTS{address}@', f'    cache 300\n    hosts /dev/null {{\n        192.0.2.{address} x.in-@ZONE@\n'
                                                   f'        2001:db8::{address} x.in-@ZONE@\n    }}\n')
    begin = f'{server.keys("in-@ZONE@")} {{\n{server.on_top()}'
    text = (f'{server.keys("@ZONE@")} {{\n{server.on_top()}    cache 300\n{LEADS[lead]}}}\n'
            f'{begin}{inner.replace("@BLOCK@", begin)}}}\n')
    return text.replace('@FILE@', zone_file).replace('@ZONE@', zone).replace('@NET@', f'{INSIDE}/32').replace('@UP@', leader(number, zone))


def leader(number, zone):
    """The DNS of a cluster, with an ExternalName that leads into the inner block."""
    def cname(asked):
        if wire.parse(asked).qtype not in (1, 28):
            return None
        return badup.reply(asked, wire.AA, [wire.record(b'\xc0\x0c', 'CNAME', wire.name(f'x.in-{zone}'))])
    up = badup.Upstream(f'{NET}.{100 + number}', free_port())
    up.custom = cname
    return f'{up.address}:{up.port}'


def test_what_one_client_was_led_to_is_not_cached_for_another():
    rows = list(itertools.product(LEADS if WITH_CLUSTER else list(LEADS)[:2], GUARDS))
    server = Server(lambda server: ''.join(leading_blocks(server, i, *row) for i, row in enumerate(rows)))
    clients = clients_of(server)
    for round_, rdtype, source, transport in itertools.product((1, 2), ('A', 'AAAA'), (OUTSIDE, INSIDE), TRANSPORTS):
        client = clients[source, transport]
        for i in range(len(rows)):
            client.send(make_query(f'x.l{i}.test', rdtype, ident=i))
        for _ in rows:
            reply = client.receive()
            lead, guard = rows[reply.parsed.ident]
            number = GUARDS[guard][1](source == INSIDE, rdtype == 'A')
            want = [] if number is None else [f'192.0.2.{number}' if rdtype == 'A' else f'2001:db8::{number}']
            got = [data for data in reply.data if not data.endswith('.')]
            equal(got, want, f'round {round_}, {transport}, {rdtype}, {"inside" if source == INSIDE else "outside"}: {lead} to {guard}')


if __name__ == '__main__':
    harness.main()
