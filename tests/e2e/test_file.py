#!/usr/bin/env python3
"""`file`: a zone served by the program is compared, question by question, with the same zone
served by NSD, Knot and BIND: ours must be what at least one of them says. ANY is left out: as in
CoreDNS it is NODATA.
"""
import functools

import harness
import peers
from harness import ask, check, equal, free_port, isthmus, loopback_net

ZONE = '''$ORIGIN corp.example.
$TTL 300
@ SOA ns.corp.example. host\\.master.corp.example. ( 2026112401 7200 1800
    86400 60 ) ; serial and times
@ NS ns
@ NS ns2.elsewhere.example.
@ MX 10 mail
@ TXT "v=spf1 -all" "second \\"string\\""
ns 600 A 10.1.0.1
mail A 10.1.0.2
mail AAAA 2001:db8::2
www CNAME web
web A 10.1.0.3
web A 10.1.0.4
chain CNAME chain2
chain2 CNAME web
dangling CNAME nowhere
outside CNAME www.example.net.
circle CNAME circle2
circle2 CNAME circle
*.wild A 10.1.0.9
*.wild TXT "wildcard"
host.wild A 10.1.0.10
sub.host.wild A 10.1.0.11
*.alias CNAME web
a.b.empty A 10.1.0.12
deep NS ns.deep
deep NS ns.elsewhere.example.
ns.deep A 10.1.0.20
_ldap._tcp SRV 0 5 389 mail
UPPER A 10.1.0.21
odd\\.dot A 10.1.0.22
odd\\032space A 10.1.0.23
https HTTPS 1 . alpn=h2
unknown TYPE65400 \\# 3 010203
'''
NAMES = ('', 'ns', 'mail', 'www', 'web', 'chain', 'chain2', 'dangling', 'outside', 'nosuch', 'a.nosuch', 'x.wild', 'x.y.wild',
         'wild', 'host.wild', 'x.host.wild', 'sub.host.wild', '*.wild', 'x.alias', 'empty', 'b.empty', 'a.b.empty', 'x.empty',
         'deep', 'x.deep', 'ns.deep', 'a.b.deep', '_ldap._tcp', '_tcp', 'upper', 'Upper', 'WWW', 'https', 'unknown',
         [b'odd.dot', b'corp', b'example'], [b'odd space', b'corp', b'example'], [b'odd', b'dot', b'corp', b'example'])
TYPES = ('A', 'AAAA', 'CNAME', 'MX', 'NS', 'SOA', 'TXT', 'SRV', 'HTTPS', 'TYPE65400')


@functools.cache
def server():
    path = harness.write(f'{harness.folder("zone")}/db.corp', ZONE)
    return isthmus(f'    file {path} corp.example', keys='.')


@functools.cache
def references():
    zones, net, port = {'corp.example': ZONE}, loopback_net(), free_port()
    return {'NSD': peers.Nsd(zones, [f'{net}.10'], port), 'Knot': peers.Knot(zones, [f'{net}.11'], port),
            'BIND': peers.Bind(zones, ['127.0.0.1'], free_port())}


def outcome(reply):
    """What servers may not differ in: the code, AA, the answer, and who is named in authority."""
    referral = sorted(text for text in reply.authority if ' NS ' in text and not reply.aa)
    negative = sorted(text for text in reply.authority if ' SOA ' in text)
    return reply.rcode, reply.aa, *(sorted(t.lower() for t in texts) for texts in (reply.answer, referral, negative))


def test_every_answer_is_one_that_a_trusted_server_gives():
    for name in NAMES:
        owner = name if isinstance(name, list) else f'{name}.corp.example'.lstrip('.')
        for rdtype in TYPES:
            theirs = {who: outcome(ask(peer, owner, rdtype, tcp=True)) for who, peer in references().items()}
            for tcp in (False, True):
                got = outcome(ask(server(), owner, rdtype, tcp=tcp))
                check(got in theirs.values(), f'{owner} {rdtype}', f'got {got}, expected one of {theirs}')


def test_lines_that_people_write():
    for line, rdtype, data in (
            ('x CAA 0 issue "ca.example"', 'CAA', '0 issue "ca.example"'), ('x 1h30m IN A 10.0.0.1', 'A', '10.0.0.1'),
            ('x IN 1d A 10.0.0.1', 'A', '10.0.0.1'), ('x a 10.0.0.1 ; text', 'A', '10.0.0.1'), ('x TXT "a;b"', 'TXT', '"a;b"'),
            ('x TXT ( "a"\n "b" )', 'TXT', '"a" "b"'), (f'x SSHFP 1 1 {"ab" * 20}', 'SSHFP', f'1 1 {"ab" * 20}'), ('10 PTR a.b.', 'PTR', 'a.b.'),
            ('x SVCB 1 y port=53', 'SVCB', '1 y.z.test. port="53"'), ('x LOC 52 22 23 N 4 53 32 E 2m', 'LOC', None),
            ('a A 10.0.0.1', 'A', '10.0.0.1'), ('in A 10.0.0.1', 'A', '10.0.0.1'), ('x TYPE1 \\# 4 0a000001', 'A', '10.0.0.1'),
            ('$ORIGIN sub.z.test.\n@ A 10.0.0.2\n$ORIGIN z.test.\nx A 10.0.0.1', 'A', '10.0.0.1')):
        head = '$ORIGIN z.test.\n$TTL 300\n@ SOA ns h 1 2 3 4 5\n@ NS ns\n'
        path = harness.write(f'{harness.folder("zone")}/db', f'{head}{line}\n')
        owner = [text for text in line.split('\n') if text[0] != '$' and text[0] != '@'][0].split()[0]
        try:
            here = isthmus(f'    file {path} z.test')
        except harness.StartFailed as why:
            check(False, f'{line!r} is read', why)
            continue
        reply = ask(here, f'{owner}.z.test', rdtype)
        check(len(reply.data) == 1 and data in (None, reply.data[0]), f'{line!r} is answered', reply.data)
        here.stop()


def test_circles_end():
    for tcp in (False, True):
        reply = ask(server(), 'circle.corp.example', tcp=tcp)
        check(reply.rcode in ('NOERROR', 'SERVFAIL') and len(reply.answer) <= 16, 'a circle of CNAMEs', reply.short())


def test_spelling_is_echoed():
    reply = ask(server(), 'WeB.CoRp.ExAmPlE')
    check(all(text.startswith('WeB.CoRp.ExAmPlE. A ') for text in reply.answer) and len(reply.answer) == 2, 'owners', reply.answer)


def test_mistakes_in_a_zone_file():
    home = harness.folder('zone')
    for text, line in (('$ORIGIN a.test.\n@ SOA ns h 1 2 3 4 5\n@ NS ns\nx A 300.1.1.1\n', 4),
                       ('$ORIGIN a.test.\n@ SOA ns h 1 2 3 4 5\ny BOGUS 1\n', 3), ('@ A 1.2.3.4\n', None), ('', None)):
        path = harness.write(f'{home}/db', text)
        port = free_port()
        corefile = harness.write(f'{home}/Corefile', f'.:{port} {{\n    bind 127.0.0.1\n    file {path} a.test\n}}\n')
        process = harness.Process([harness.ISTHMUS, '-conf', corefile], 'isthmus')
        try:
            status = process.wait(5)
        except harness.subprocess.TimeoutExpired:
            status = None
        what = f'a zone file {text[:30]!r}'
        equal(status, 1, f'{what} is refused')
        check('Corefile:3' in process.errors() or path in process.errors(), f'{what}: with file and line', process.errors())
        if line:
            check(f'{path}:{line}' in process.errors(), f'{what}: the line of the zone file', process.errors())
        process.stop()


if __name__ == '__main__':
    harness.main()
