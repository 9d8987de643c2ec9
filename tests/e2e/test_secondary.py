#!/usr/bin/env python3
"""`secondary`: zones from NSD, BIND and Knot, kept up to date by NOTIFY and by the SOA's times,
sent on to others; primaries that lie, stall or never end change nothing of what is served."""
import os
import re
import socket
import struct
import threading
import time

import harness
import peers
import wire
from harness import ask, check, dig, equal, free_port, isthmus, loopback_net, wait_until
from secondaries import NsdSecondary

TIMES = '2 1 3 60'  # refresh, retry, expire, minimum


def zone(serial, hosts=5000, times='7200 1800 86400 60'):
    lines = ''.join(f'host-{i} A 10.{i >> 16}.{i >> 8 & 255}.{i & 255}\n' for i in range(hosts))
    return f'''$TTL 300
@ SOA ns host.master {serial} {times}
@ NS ns
ns A 127.0.0.1
alias CNAME last
mail MX 10 ns
text TXT "one" "two"
*.wild A 10.1.1.1
sub NS ns.sub
ns.sub A 10.1.0.2
https HTTPS 1 . alpn=h2
srv SRV 0 5 53 ns
{lines}last A 10.9.9.{serial % 256}
'''


def secondary(*primaries, more='', extra=''):
    return isthmus(f'    secondary big.test {{\n        transfer from {" ".join(primaries)}\n{more}    }}\n{extra}')


def last(server):
    reply = ask(server, 'last.big.test')
    return reply.data[0] if reply.data else reply.rcode


def test_zones_come_from_real_primaries_and_go_on():
    net, port = loopback_net(), free_port()
    zones = {'big.test': zone(1)}
    for primary in (NsdPrimary(zones, [f'{net}.40'], port), KnotPrimary(zones, [f'{net}.41'], port),
                    BindPrimary(zones, ['127.0.0.1'], free_port())):
        server = secondary(f'{primary.address}:{primary.port}', extra='    transfer {\n        to *\n    }\n')
        wait_until(lambda: last(server) == '10.9.9.1', 10, f'{primary.program}: the zone is here')
        for name, rdtype in (('host-4999', 'A'), ('alias', 'A'), ('mail', 'MX'), ('text', 'TXT'), ('x.wild', 'A'), ('x.sub', 'A'),
                             ('https', 'HTTPS'), ('srv', 'SRV'), ('nx', 'A'), ('', 'SOA'), ('', 'NS')):
            name = f'{name}.big.test'.lstrip('.')
            theirs, ours = ask(primary, name, rdtype, tcp=True), ask(server, name, rdtype, tcp=True)
            equal((ours.rcode, ours.aa, ours.answer), (theirs.rcode, theirs.aa, theirs.answer), f'{primary.program}: {name} {rdtype}')
        lines = [line for line in dig(server, 'big.test', 'AXFR').splitlines() if line and line[0] != ';']
        equal(len(lines), 5000 + 12 + 1, f'{primary.program}: the zone goes on')
        server.stop()


def test_a_primary_that_refuses():
    nsd = peers.Nsd({'big.test': zone(1, 1)}, [f'{loopback_net()}.43'], free_port())
    server = secondary(f'{nsd.address}:{nsd.port}')
    wait_until(lambda: 'the primary says' in server.output(), 10, 'NSD refuses, and why is told')
    equal(last(server), 'SERVFAIL', 'a zone never had')


class NsdPrimary(peers.Nsd):
    def configuration(self, **_):
        return super().configuration() + '  provide-xfr: 127.0.0.1 NOKEY\n'


class KnotPrimary(peers.Knot):
    def configuration(self, **more):
        acl = 'acl:\n  - id: out\n    address: 127.0.0.1\n    action: transfer\n'
        return super().configuration(**more).replace('zone:\n', acl + 'zone:\n') + '    acl: out\n'


class BindPrimary(peers.Bind):
    def options(self):
        return super().options() + ' allow-transfer { any; };'


SIGNED = '''$TTL 300
@ SOA ns host.master 1 7200 1800 86400 60
@ NS ns
ns A 127.0.0.1
b A 10.0.0.2
b AAAA 2001:db8::2
Mixed.Case A 10.0.0.3
alias CNAME b
dangling CNAME nowhere
x.empty A 10.0.0.4
*.wild A 10.0.0.5
*.wild TXT "wild"
deep.in.wild A 10.0.0.6
*.calias CNAME b
insecure NS ns.insecure
ns.insecure A 10.0.0.7
secure NS ns.secure
secure DS 12345 8 2 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
ns.secure A 10.0.0.8
dn DNAME b
z\\001z A 10.0.0.9
'''


PROOFS = ('SOA', 'NSEC', 'NSEC3', 'DS')


def proofs(reply):
    """What a validator looks at: code, answer, and of the authority section what is signed for it."""
    def signed(text):
        _, rdtype, *rest = text.split()
        return rdtype in PROOFS or (rdtype == 'RRSIG' and rest[0] in PROOFS)
    return reply.rcode, sorted(t.lower() for t in reply.answer), sorted(t.lower() for t in reply.authority if signed(t))


def test_signed_zones():
    """Of a zone that Knot has signed everything is answered as Knot does."""
    for sign in ('nsec', 'nsec3', 'opt-out'):
        check_signed(sign)


def check_signed(sign):
    knot = KnotPrimary({'big.test': SIGNED}, [f'{loopback_net()}.44'], free_port(), sign=sign)
    wait_until(lambda: 'RRSIG' in ask(knot, 'big.test', 'SOA', do=True).text, 30, 'a signed zone')
    server = secondary(f'{knot.address}:{knot.port}')
    wait_until(lambda: ask(server, 'b.big.test').data != [], 10, 'the zone is here')
    wait_until(lambda: ask(server, 'big.test', 'SOA').data == ask(knot, 'big.test', 'SOA').data, 20, 'the same serial')
    for name in ('', 'ns', 'b', 'mixed.case', 'case', 'alias', 'dangling', 'empty', 'x.empty', 'wild', 'a.wild', 'a.b.wild', 'in.wild',
                 'q.in.wild', '*.wild', 'a.calias', 'insecure', 'q.insecure', 'secure', 'q.secure', 'dn', 'q.dn', 'a', 'zz', 'nx.b', '0'):
        for rdtype in ('A', 'MX', 'DS', 'NS', 'DNSKEY', 'CNAME'):
            owner = f'{name}.big.test'.lstrip('.')
            theirs, ours = (proofs(ask(one, owner, rdtype, do=True, tcp=True)) for one in (knot, server))
            equal(ours, theirs, f'{sign}: {owner} {rdtype}')
            check('RRSIG' not in ask(server, owner, rdtype, tcp=True).text, f'{owner} {rdtype}: not for who does not ask')
    hashes = set(re.findall(r'(?m)^(\w{32})\.big\.test\. .* NSEC3 ', ask(server, 'zz.big.test', do=True, tcp=True).text))
    check(len(hashes) > 0 or sign == 'nsec', f'{sign}: owners of NSEC3', hashes)
    for name in ('alias', 'b', '') if sign == 'nsec' else ['b', '', *hashes, *(f'x.{one}' for one in hashes)]:
        owner = f'{name}.big.test'.lstrip('.')
        for rdtype in ('NSEC', 'NSEC3', 'A'):
            equal(*(proofs(ask(one, owner, rdtype, do=True, tcp=True)) for one in (server, knot)), f'{sign}: {owner} {rdtype}')


class Primary:
    """A primary of the test's own. `records(serial)` are (owner, type, rdata) between the SOAs;
    `how` names what it does wrong."""

    def __init__(self, serial=1, times=(7200, 1800, 86400), how='right'):
        self.serial, self.times, self.how, self.asked = serial, times, how, []
        self.listener = socket.create_server(('127.0.0.1', 0))
        self.port = self.listener.getsockname()[1]
        self.address = f'127.0.0.1:{self.port}'
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(client,), daemon=True).start()

    def soa(self, serial=None, owner='big.test'):
        numbers = (serial or self.serial, *self.times, 60)
        return wire.record(owner, 'SOA', wire.name('ns.big.test') + wire.name('host.big.test') + struct.pack('!5I', *numbers))

    def talk(self, client):
        try:
            while True:
                head = client.recv(2, socket.MSG_WAITALL)
                if len(head) < 2:
                    return
                message = client.recv(struct.unpack('!H', head)[0], socket.MSG_WAITALL)
                axfr = message[-4:-2] == b'\0\xfc'
                self.asked.append('AXFR' if axfr else 'SOA')
                for answer in (self.zone if axfr else self.check)(int.from_bytes(message[:2], 'big')):
                    client.sendall(struct.pack('!H', len(answer)) + answer)
                if self.how == 'stalls' and axfr:
                    time.sleep(1000)
                if self.how == 'closes' and axfr:
                    return
        except OSError:
            return
        finally:
            client.close()

    def check(self, ident):
        yield wire.message(ident, wire.QR, [wire.question('big.test', 'SOA')], [self.soa()])

    def a(self, owner='last.big.test', data=None):
        return wire.record(owner, 'A', socket.inet_aton(data or f'10.9.9.{self.serial}'))

    def zone(self, ident):
        question, how = [wire.question('big.test', 'AXFR')], self.how
        good = [self.soa(), self.a(), self.soa()]
        parts = {
            'other id': lambda: [(ident ^ 1, wire.QR, good)],
            'refused': lambda: [(ident, wire.QR | 5, [])],
            'truncated': lambda: [(ident, wire.QR | wire.TC, good)],
            'no soa': lambda: [(ident, wire.QR, [self.a(), self.soa()])],
            'other soa': lambda: [(ident, wire.QR, [self.soa(), self.a(), self.soa(self.serial + 1)])],
            'soa of another': lambda: [(ident, wire.QR, [self.soa(owner='x.test'), self.a(), self.soa()])],
            'soa below': lambda: [(ident, wire.QR, [self.soa(), self.soa(owner='x.big.test'), self.soa()])],
            'goes on behind': lambda: [(ident, wire.QR, good + [self.a()])],
            'no records': lambda: [(ident, wire.QR, [])],
            'meta': lambda: [(ident, wire.QR, [self.soa(), wire.record('big.test', 'ANY', b''), self.soa()])],
            'chaos': lambda: [(ident, wire.QR, [self.soa(), wire.record('big.test', 'A', b'\1\2\3\4', rdclass=3), self.soa()])],
            'short data': lambda: [(ident, wire.QR, [self.soa(), wire.record('big.test', 'A', b'\1\2\3'), self.soa()])],
            'stalls': lambda: [(ident, wire.QR, good[:2])],
            'closes': lambda: [(ident, wire.QR, good[:2])],
            'outside': lambda: [(ident, wire.QR, [self.soa(), self.a('evil.other'), self.a(), self.soa()])],
        }.get(how, lambda: [(ident, wire.QR, good)])()
        if how == 'garbage':
            yield os.urandom(4000)
        elif how == 'endless':
            yield wire.message(ident, wire.QR, question, [self.soa()])
            count = 0
            while True:
                count += 1
                yield wire.message(ident, wire.QR, question, [self.a(f'h{count}-{i}.big.test', '10.0.0.1') for i in range(1000)])
        for ident_, flags, records in parts if how != 'garbage' else ():
            yield wire.message(ident_, flags, question, records)


def notify(server, name='big.test', source='127.0.0.1'):
    """The code of the answer to a NOTIFY."""
    message = wire.query(name, 'SOA', 77, 4 << 11 | 0x400)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((source, 0))
        udp.settimeout(5)
        udp.sendto(message, (server.address, server.port))
        answer = udp.recv(4096)
    check(answer[:2] == b'\0M' and answer[2] >> 3 & 15 == 4 and answer[2] & 0x80, 'an answer to the NOTIFY', answer[:12].hex())
    return answer[3] & 15


BAD = ('other id', 'refused', 'truncated', 'no soa', 'other soa', 'soa of another', 'soa below', 'goes on behind', 'no records', 'meta',
       'chaos', 'short data', 'garbage', 'closes')


def test_after_a_bad_transfer_the_next_primary_is_asked():
    good = Primary(1)
    for how in BAD:
        bad = Primary(9, how=how)
        server = secondary(bad.address, good.address)
        wait_until(lambda: last(server) == '10.9.9.1', 10, f'{how}: the second primary has the zone')
        wait_until(lambda: f'from "{bad.address}"' in server.output(), 10, f'{how}: told')
        server.stop()


def test_a_bad_transfer_changes_nothing():
    primary = Primary(1)
    server = secondary(primary.address)
    wait_until(lambda: last(server) == '10.9.9.1', 10, 'the zone is here')
    for how in ('other soa', 'closes'):
        primary.how, primary.serial, before = how, 9, primary.asked.count('AXFR')
        equal(notify(server), 0, 'NOTIFY of a primary')
        wait_until(lambda: primary.asked.count('AXFR') > before, 10, f'{how}: asked')
        wait_until(lambda: server.output().count('Failed to transfer') == before, 10, f'{how}: told')
        equal(last(server), '10.9.9.1', f'{how}: the old zone stays')
    primary.how = 'outside'
    notify(server)
    wait_until(lambda: last(server) == '10.9.9.9', 10, 'names outside are passed over')
    wait_until(lambda: 'outside of the zone are passed over: 1' in server.output(), 10, 'and counted')


def test_stalls_and_floods_harm_nobody():
    for how in ('stalls', 'endless'):
        good, bad = Primary(1), Primary(9, how=how)
        server = secondary(good.address, bad.address)
        wait_until(lambda: last(server) == '10.9.9.1', 10, 'the zone is here')
        notify(server)
        wait_until(lambda: 'AXFR' in bad.asked, 10, f'{how}: asked')
        for _ in range(100):
            equal(last(server), '10.9.9.1', f'{how}: answered meanwhile')
        server.stop()  # in the middle of a transfer


def test_the_times_of_the_soa():
    primary = Primary(1, (1, 1, 4))
    server = secondary(primary.address)
    wait_until(lambda: last(server) == '10.9.9.1', 10, 'the zone is here')
    primary.serial = 2
    wait_until(lambda: last(server) == '10.9.9.2', 10, 'found by refresh')
    checks = len(primary.asked)
    wait_until(lambda: len(primary.asked) > checks, 10, 'asked again')
    equal(primary.asked[-1], 'SOA', 'only for the SOA')
    primary.serial = 1
    checks = len(primary.asked)
    wait_until(lambda: len(primary.asked) > checks + 1, 10, 'asked again')
    equal(last(server), '10.9.9.2', 'an older serial is no news')
    primary.listener.close()
    wait_until(lambda: last(server) == 'SERVFAIL', 15, 'expired')
    check('zone expired' in str(ask(server, 'last.big.test').ede), 'says why', ask(server, 'last.big.test').ede)
    primary.listener = socket.create_server(('127.0.0.1', primary.port))
    primary.serial = 2
    threading.Thread(target=primary.serve, daemon=True).start()
    wait_until(lambda: last(server) == '10.9.9.2', 15, 'served again')


def test_notify():
    primary = Primary(1)
    server = secondary(primary.address)
    wait_until(lambda: last(server) == '10.9.9.1', 10, 'the zone is here')
    primary.serial = 2
    equal(notify(server, source='127.0.0.9'), 5, 'of a stranger: REFUSED')
    equal(notify(server, 'x.big.test'), 9, 'of no zone: NOTAUTH')
    equal(last(server), '10.9.9.1', 'nothing has changed')
    equal(notify(server), 0, 'of the primary')
    wait_until(lambda: last(server) == '10.9.9.2', 5, 'the new zone')
    plain = isthmus('    forward . 127.0.0.1:9')
    equal(notify(plain), 4, 'to a forwarder: NOTIMP')


def test_a_reload_keeps_the_zone():
    primary = Primary(1)
    server = secondary(primary.address, more='        fallthrough\n', extra='    whoami\n')
    wait_until(lambda: last(server) == '10.9.9.1', 10, 'the zone is here')
    equal(ask(server, 'nx.big.test').rcode, 'NOERROR', 'what is not there falls through')
    primary.listener.close()
    with open(server.corefile, encoding='ascii') as file:
        text = file.read()
    harness.write(server.corefile, text.replace('        fallthrough\n', ''))
    server.popen.send_signal(harness.signal.SIGUSR1)
    wait_until(lambda: 'Reloading complete' in server.output(), 10, 'reloaded')
    equal(last(server), '10.9.9.1', 'the zone is still here')
    equal(ask(server, 'nx.big.test').rcode, 'NXDOMAIN', 'and nothing falls through')


def test_a_chain_of_servers():
    """primary -> isthmus -> NSD: news pass through."""
    primary, port, net = Primary(1), free_port(), loopback_net()
    server = secondary(primary.address, extra=f'    transfer {{\n        to * {net}.42:{port}\n        source 127.0.0.1\n    }}\n')
    wait_until(lambda: last(server) == '10.9.9.1', 10, 'the zone is here')
    nsd = NsdSecondary('big.test', server.port, f'{net}.42', port)
    primary.serial = 2
    notify(server)
    wait_until(lambda: nsd.serial() == 2, 15, 'NSD has it from us')


if __name__ == '__main__':
    harness.main()
