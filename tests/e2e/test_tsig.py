#!/usr/bin/env python3
"""`tsig`: dig, dnspython, NSD, BIND and Knot check what is signed here, and what they sign is
checked; errors are those of RFC 8945."""
import time
from unittest import mock

import dns.message
import dns.query
import dns.tsig
import dns.tsigkeyring

import harness
from harness import ask, check, dig, equal, free_port, isthmus, loopback_net, wait_until, write
from secondaries import BindSecondary, KnotSecondary, NsdSecondary

SECRET = 'NoTCJU+DMqFWywaPyxSijrDEA/eC3nK0xi3AMEZuPVk='
KEYS = dns.tsigkeyring.from_text({'big.key.': SECRET})
HOSTS = 10000


def serve(options='require all', more=''):
    home = harness.folder('tsig')
    lines = ''.join(f'host-{i} A 10.0.{i >> 8}.{i & 255}\n' for i in range(HOSTS))
    path = write(f'{home}/db', f'$TTL 60\n@ SOA ns h 1 7200 1800 86400 60\n@ NS ns\nns A 10.1.0.1\nwww A 10.1.0.2\n{lines}')
    keys = write(f'{home}/keys', f'# keys\nkey "file.key." {{\n    algorithm hmac-sha256;\n    secret "{SECRET}";\n}};\nkey other {{ secret "{SECRET}"; }};\n')
    return isthmus(f'''    tsig big.test {{
        secret Big.Key {SECRET}
        secrets {keys}
        {options}
    }}
    transfer {{
        to *
    }}
    file {path} big.test
{more}''')


def exchange(server, name='www.big.test', rdtype='A', keys=KEYS, tcp=False, algorithm=dns.tsig.HMAC_SHA256):
    """The answer, whose signature dnspython has checked."""
    query = dns.message.make_query(name, rdtype)
    query.use_tsig(keys, algorithm=algorithm)
    return (dns.query.tcp if tcp else dns.query.udp)(query, server.address, 5, server.port)


def raised(kind, call):
    try:
        call()
    except kind:
        return True
    except Exception as error:  # pylint: disable=broad-except
        return error
    return False


def test_signed_questions_have_signed_answers():
    server = serve()
    for algorithm in (dns.tsig.HMAC_SHA1, dns.tsig.HMAC_SHA224, dns.tsig.HMAC_SHA256, dns.tsig.HMAC_SHA384, dns.tsig.HMAC_SHA512):
        for tcp in (False, True):
            answer = exchange(server, tcp=tcp, algorithm=algorithm)
            check(answer.had_tsig and str(answer.answer[0][0]) == '10.1.0.2', f'{algorithm} {tcp}', answer)
    for rdtype, name in (('A', 'nx.big.test'), ('MX', 'www.big.test'), ('ANY', 'big.test')):
        check(exchange(server, name, rdtype).had_tsig, f'{name} {rdtype}')
    for name in ('file.key', 'other.'):
        check(exchange(server, keys=dns.tsigkeyring.from_text({name: SECRET})).had_tsig, f'key {name}')
    equal(ask(server, 'www.big.test').rcode, 'REFUSED', 'what is not signed')
    equal(exchange_code(server, 'www.other'), 'REFUSED', 'another zone')


def exchange_code(server, name):
    query = dns.message.make_query(name, 'A')
    query.use_tsig(KEYS)
    wire = query.to_wire()
    answer = harness.exchange_udp(server, wire)
    return dns.rcode.to_text(answer[3] & 15)


def errors_of(server, keys=KEYS, ahead_s=0, **more):
    """(rcode, error, octets of MAC, octets of other data) of the answer."""
    query = dns.message.make_query('www.big.test', 'A')
    query.use_tsig(keys, **more)
    with mock.patch('time.time', return_value=time.time() + ahead_s):
        octets = query.to_wire()
    answer = harness.exchange_udp(server, octets)
    name_end = answer.rindex(b'\xff\0\0\0\0') if b'\xff\0\0\0\0' in answer else None
    if name_end is None:
        return dns.rcode.to_text(answer[3] & 15), None, None, None
    rdata = answer[name_end + 7:]
    at = 0
    while rdata[at]:
        at += rdata[at] + 1
    mac_len = int.from_bytes(rdata[at + 9:at + 11], 'big')
    rest = rdata[at + 11 + mac_len:]
    return dns.rcode.to_text(answer[3] & 15), int.from_bytes(rest[2:4], 'big'), mac_len, int.from_bytes(rest[4:6], 'big')


def test_errors():
    server = serve()
    equal(errors_of(server), ('NOERROR', 0, 32, 0), 'a good one')
    equal(errors_of(server, dns.tsigkeyring.from_text({'no.key': SECRET})), ('NOTAUTH', 17, 0, 0), 'BADKEY')
    equal(errors_of(server, algorithm=dns.tsig.HMAC_MD5), ('NOTAUTH', 17, 0, 0), 'BADKEY: the algorithm')
    equal(errors_of(server, dns.tsigkeyring.from_text({'big.key': 'AAAA'})), ('NOTAUTH', 16, 0, 0), 'BADSIG')
    for ahead_s in (400, -400):
        equal(errors_of(server, ahead_s=ahead_s), ('NOTAUTH', 18, 32, 6), f'BADTIME {ahead_s}')
        check(raised(dns.tsig.PeerBadTime, lambda: bad_time(server, ahead_s)) is True, 'dnspython reads BADTIME')
    check(raised(dns.tsig.PeerBadKey, lambda: exchange(server, keys=dns.tsigkeyring.from_text({'no.key': SECRET}))) is True, 'dnspython reads BADKEY')
    check(raised(dns.tsig.PeerBadSignature, lambda: exchange(server, keys=dns.tsigkeyring.from_text({'big.key': 'AAAA'}))) is True,
          'dnspython reads BADSIG')


def bad_time(server, ahead_s):
    with mock.patch('time.time', return_value=time.time() + ahead_s):
        exchange(server)


def test_what_is_changed_is_not_believed():
    server = serve()
    query = dns.message.make_query('www.big.test', 'A')
    query.use_tsig(KEYS)
    octets = bytearray(query.to_wire())
    for at in range(2, len(octets)):
        changed = octets[:]
        changed[at] ^= 1
        answer = harness.exchange_udp(server, bytes(changed), 1, ident_matters=False)
        check(answer is not None or changed[2] & 0x80 or at in (2, 3), f'octet {at}: an answer')
        if answer is not None:
            check(answer[3] & 15 != 0 or b'\x0a\x01\x00\x02' not in answer, f'octet {at}: not the data', answer.hex())


def test_transfers():
    server = serve('require AXFR IXFR')
    equal(ask(server, 'www.big.test').data, ['10.1.0.2'], 'other types need no signature')
    equal(ask(server, 'big.test', 'AXFR', tcp=True).rcode, 'REFUSED', 'AXFR does')
    lines = [line for line in dig(server, '-y', f'hmac-sha256:big.key:{SECRET}', 'big.test', 'AXFR').splitlines() if line and line[0] != ';']
    equal(len([line for line in lines if '\tTSIG\t' not in line]), HOSTS + 5, 'dig has the whole zone, each message signed')
    check("couldn't verify" not in '\n'.join(lines).lower(), 'and believes it')
    net, port = loopback_net(), free_port()
    key = ('big.key', 'hmac-sha256', SECRET)
    for kind, address, number in ((NsdSecondary, f'{net}.50', port), (KnotSecondary, f'{net}.51', port), (BindSecondary, '127.0.0.1', free_port())):
        one = kind('big.test', server.port, address, number, key)
        wait_until(lambda: one.serial() == 1, 15, f'{one.program} has the zone')
        equal(ask(one, f'host-{HOSTS - 1}.big.test').rcode, 'NOERROR', f'{one.program}: all of it')


def test_mistakes():
    home = harness.folder('tsig')
    for text, line in (('key a { secret "AAAA"; }\nkei b {}\n', 2), ('key a {\n secret "!";\n};\n', 3), ('key a {\n secret AAAA\n};\n', 3),
                       ('key a { secret AAAA; };\nkey A { secret AAAA; };\n', 2), ('key a {', 1), ('key a { };\n', 1)):
        path = write(f'{home}/keys', text)
        try:
            isthmus(f'    tsig {{\n        secrets {path}\n    }}\n    whoami')
            check(False, f'{text!r} is refused')
        except harness.StartFailed as why:
            check(f'{path}:{line}' in str(why), f'{text!r}: file and line', why)


if __name__ == '__main__':
    harness.main()
