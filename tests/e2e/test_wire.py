#!/usr/bin/env python3
# e2e: quick tsan
"""Packets that no library sends: each must get exactly the answer (or silence) that the RFCs have
for it, over UDP and TCP, in front of a plain upstream and of a renamed cluster, and none may
reach an upstream malformed, take long, or hurt the next question. The second half turns it
around: upstreams answer oddly.
"""
import collections
import concurrent.futures
import functools
import random
import struct
import subprocess

import badup
import harness
import wire
from harness import ask, check, equal, exchange_tcp, exchange_udp, free_port, isthmus, loopback_net, make_query
from wire import FORMERR, NOERROR, NOTIMP, RD, message, opt, question

ID = 0x7a11
NAMES = ('www.example', 'app.web.svc.cluster-b.local')
SILENCE, BADVERS = 'silence', 16


@functools.cache
def upstream():
    return badup.Upstream(f'{loopback_net()}.10', free_port())


@functools.cache
def server():
    up = upstream()
    return isthmus(f'''
    cluster cluster-b.local {{
        dns {up.address}:{up.port}
    }}
    forward . {up.address}:{up.port}''')


def head(flags=RD, counts=(1, 0, 0, 0)):
    return struct.pack('>HHHHHH', ID, flags, *counts)


def judge(octets, wanted, what, limit=512):
    """Sends over UDP, then TCP; `wanted` are rcodes that are right, or SILENCE."""
    for transport in ('UDP', 'TCP'):
        patience = 0.3 if wanted == (SILENCE,) else 3
        if transport == 'UDP':
            answer = exchange_udp(server(), octets, patience * harness.SLOW, ident_matters=False)
        else:
            answer = exchange_tcp(server(), octets, patience * harness.SLOW)
        label = f'{what} ({transport})'
        if answer is None:
            check(SILENCE in wanted, f'{label}: got silence', f'expected {wanted}')
            continue
        try:
            parsed = wire.parse(answer)
        except wire.Malformed as why:
            check(False, f'{label}: the answer is malformed', f'{why}: {answer.hex()}')
            continue
        check(parsed.rcode in wanted, f'{label}: rcode {parsed.rcode}', f'expected {wanted}')
        judge_head(octets, parsed, label)
        if transport == 'UDP':
            check(len(answer) <= limit, f'{label}: {len(answer)} octets')


def judge_head(octets, parsed, label):
    flags, = struct.unpack_from('>H', octets, 2)
    equal(parsed.ident, struct.unpack_from('>H', octets)[0], f'{label}: ID')
    check(parsed.flags & wire.QR, f'{label}: QR')
    check(not parsed.flags & wire.Z, f'{label}: Z is zero')
    if parsed.rcode not in (FORMERR, NOTIMP):
        equal(parsed.flags & RD, flags & RD, f'{label}: RD is copied')
    if parsed.rcode == NOTIMP:
        equal(parsed.opcode, flags >> 11 & 15, f'{label}: opcode is copied')
    if parsed.rcode in (FORMERR, NOTIMP, BADVERS):
        equal([r.rdtype for r in parsed.data_records()], [], f'{label}: an error has no records')
    if parsed.rcode == FORMERR:
        check(len(parsed.wire) <= max(len(octets), 12), f'{label}: FORMERR is no longer than the question', len(parsed.wire))


def unseen(octets, wanted, what):
    """As judge(), and no upstream hears of it."""
    upstream().forget()
    judge(octets, wanted, what)
    equal([s.name for s in upstream().asked()], [], f'{what}: no upstream is asked')


# ---- headers ----

def test_ordinary_questions():
    for name in NAMES:
        for flags in (RD, 0, RD | wire.CD, RD | wire.AD, RD | wire.Z, RD | wire.RA, RD | wire.AA, RD | wire.TC):
            judge(message(ID, flags, [question(name)]), (NOERROR,), f'{name} flags {flags:04x}')
        for rdtype in (0, 2, 6, 10, 99, 251, 255, 1000, 65280, 65535):
            upstream().forget()
            wanted = tuple(range(6)) if rdtype == 251 else (NOERROR,)
            judge(message(ID, RD, [question(name, rdtype)]), wanted, f'{name} type {rdtype}')


def test_replies_and_stumps_get_silence():
    for octets, what in ((b'', 'nothing'), (b'x', 'one octet'), (head()[:11], 'eleven octets'),
                         (message(ID, wire.QR | RD, [question('www.example')]), 'a reply'),
                         (head(wire.QR, (0, 0, 0, 0)), 'a bare reply'),
                         (message(ID, wire.QR | 0x7800, [question('www.example')]), 'a reply with opcode 15')):
        unseen(octets, (SILENCE,), what)


def test_opcodes():
    for opcode in range(1, 16):
        wanted = (NOTIMP, wire.REFUSED) if opcode == 4 else (NOTIMP,)
        unseen(message(ID, RD | opcode << 11, [question('www.example')]), wanted, f'opcode {opcode}')
        unseen(head(RD | opcode << 11, (0, 0, 0, 0)), (NOTIMP, FORMERR, wire.REFUSED), f'opcode {opcode}, header only')


def test_counts():
    one = question('www.example')
    glue = wire.record('www.example', 'A', bytes(4))
    for octets, what in (
            (head(counts=(0, 0, 0, 0)), 'no question'), (head(counts=(1, 0, 0, 0)), 'a question that is not there'),
            (head(counts=(2, 0, 0, 0)) + one + question('b.example'), 'two questions'),
            (head(counts=(2, 0, 0, 0)) + one, 'two questions, one there'),
            (head(counts=(65535, 0, 0, 0)) + one, '65,535 questions'),
            (head(counts=(1, 0, 0, 65535)) + one, '65,535 additional records'),
            (head(counts=(1, 0, 0, 1)) + one, 'an additional record that is not there'),
            (head(counts=(1, 0, 0, 1)) + one + glue[:-1], 'a record without its last octet'),
            (head(counts=(1, 65535, 65535, 65535)) + one, 'all counts full')):
        unseen(octets, (FORMERR,), what)


def test_names():
    for name, what in (
            (b'\x40' + b'x' * 64 + b'\0', 'label type 01'), (b'\x80\0\0', 'label type 10'), (b'\xc0\x0c', 'a pointer to itself'),
            (b'\xc0\x0e\0', 'a pointer forwards'), (b'\xc0\0', 'a pointer into the header'), (b'\xc0', 'half a pointer'),
            (b'\x03ww', 'a label that runs out'), (b'\x03www', 'a name without an end'), (b'\x01a\xc0\x0c', 'a label, then itself'),
            (b'\xff\xff', 'a pointer beyond the end'), (b'\x01a' * 128 + b'\0', 'a name of 257 octets'),
            ((b'\x3f' + b'x' * 63) * 4 + b'\0', 'a name of 257 octets in long labels')):
        unseen(head() + name + struct.pack('>HH', 1, 1), (FORMERR,), what)
    longest = (b'\x3f' + b'x' * 63) * 3 + b'\x3d' + b'x' * 61 + b'\0'
    judge(head() + longest + struct.pack('>HH', 1, 1), (NOERROR,), 'a name of 255 octets', 4096)
    judge(head() + b'\x01a' * 127 + b'\0' + struct.pack('>HH', 1, 1), (NOERROR,), 'a name of 127 labels', 4096)
    judge(head() + b'\0' + struct.pack('>HH', 2, 1), (NOERROR,), 'the root')


def test_ends():
    one = message(ID, RD, [question('www.example')])
    for cut in range(12, len(one)):
        unseen(one[:cut], (FORMERR,), f'a question cut after {cut} octets')
    for tail in (b'\0', b'x' * 100):
        judge(one + tail, (NOERROR, FORMERR), f'{len(tail)} octets too many')


def test_classes():
    for rdclass in (0, 2, 3, 4, 254, 255, 65535):
        octets = message(ID, RD, [question('www.example', 1, rdclass)])
        answer = exchange_udp(server(), octets, 3)
        check(answer is not None and answer[3] & 15 in (NOERROR, FORMERR, NOTIMP, wire.REFUSED), f'class {rdclass}', answer)
        upstream().forget()
        exchange_udp(server(), message(ID, RD, [question(NAMES[1], 1, rdclass)]), 3)
        equal([s.name for s in upstream().asked() if 'cluster-b' in s.name], [],
              f'class {rdclass}: a name of the cluster does not go to the normal upstream')


# ---- EDNS ----

def test_opt_records():
    one = question('www.example')
    glue = wire.record('www.example', 'A', bytes(4))
    for additional, wanted, what in (
            ([opt()], (NOERROR,), 'an OPT'), ([opt(version=1)], (BADVERS,), 'version 1'), ([opt(version=255)], (BADVERS,), 'version 255'),
            ([opt(), opt()], (FORMERR,), 'two OPT'), ([opt(owner=wire.name('a'))], (FORMERR,), 'an OPT with an owner'),
            ([glue, opt()], (NOERROR, FORMERR), 'a record before the OPT'), ([opt(), glue], (NOERROR, FORMERR), 'one behind it'),
            ([opt(flags=0x7fff)], (NOERROR,), 'unknown flags'), ([opt(rcode=5)], (NOERROR, FORMERR), 'an extended rcode'),
            ([opt(options=b'\0')], (FORMERR,), 'an option of one octet'), ([opt(options=b'\0\x0a\0')], (FORMERR,), 'of three'),
            ([opt(options=b'\0\x0a\0\x09' + bytes(8))], (FORMERR,), 'an option that runs out'),
            ([opt(options=wire.option(10, bytes(8)))], (NOERROR,), 'a cookie'),
            ([opt(options=wire.option(10, bytes(7)))], (NOERROR, FORMERR), 'a cookie of 7 octets'),
            ([opt(options=wire.option(65535) * 40)], (NOERROR,), 'forty unknown options'),
            ([opt(options=wire.option(12, bytes(300)))], (NOERROR,), 'padding')):
        for name in NAMES:
            judge(message(ID, RD, [question(name)], additional=additional), wanted, f'{name}, {what}', 1232)
    unseen(message(ID, RD, [one], answers=[opt()]), (FORMERR,), 'an OPT among the answers')
    unseen(message(ID, RD, [one], authority=[opt()]), (FORMERR,), 'an OPT in the authority section')


def test_what_comes_back_in_opt():
    for name in NAMES:
        for octets, what in ((opt(flags=0x8000), 'DO'), (opt(flags=0x4001), 'flags'), (opt(version=1, flags=0x8000), 'version 1'),
                             (opt(options=wire.option(100, b'x') + wire.option(3) + wire.option(8, b'\0\1\0\0')), 'options')):
            answer = exchange_udp(server(), message(ID, RD, [question(name)], additional=[octets]), 3)
            if not check(answer is not None, f'{name} {what}: answered'):
                continue
            parsed = wire.parse(answer)
            if check(parsed.opt is not None, f'{name} {what}: an OPT'):
                equal((parsed.opt.owner, parsed.opt.ttl >> 16 & 255, parsed.opt.ttl & 0x7fff), (b'\0', 0, 0), f'{name} {what}: its head')
                codes = {code for code, _ in parsed.options}
                check(not codes & {100, 8}, f'{name} {what}: unknown options and subnet are not echoed', codes)


def test_names_outside_all_blocks():
    here = isthmus('    whoami', keys='b.test')
    for name in ('a.test', 'www.example', '', 'xb.test'):
        reply = ask(here, name)
        equal((reply.rcode, [code for code, _ in reply.ede]), ('REFUSED', [20]), f'{name or "."}: REFUSED with EDE 20')
        equal(ask(here, name, edns=None).parsed.counts, (1, 0, 0, 0), f'{name or "."}: bare without EDNS')


# ---- floods of nonsense ----

def test_noise_hurts_nobody():
    generator = random.Random(20261124)
    with harness.socket.socket(harness.socket.AF_INET, harness.socket.SOCK_DGRAM) as sock:
        sock.connect((server().address, server().port))
        seeds = [make_query(name, 'SRV', do=True, options=wire.option(10, bytes(8))) for name in NAMES]
        for i in range(4000):
            octets = bytearray(generator.choice(seeds))
            for _ in range(generator.randrange(1, 6)):
                octets[generator.randrange(len(octets))] = generator.randrange(256)
            if i % 3 == 0:
                octets = octets[:generator.randrange(len(octets))]
            sock.send(octets)
            if i % 50 == 0:
                equal(ask(server(), f'alive-{i}.example').rcode, 'NOERROR', f'alive after {i} packets of noise')
    check(server().alive, 'the program lives')


def test_every_question_the_upstream_saw_was_whole():
    for seen in upstream().asked():
        try:
            wire.parse(seen.wire)
        except wire.Malformed as why:
            check(False, 'a malformed question went upstream', f'{why}: {seen.wire.hex()}')
    check(upstream().seen, 'some were seen')


# ---- odd answers from upstream ----

def odd_answer(build, name='odd.cluster-b.local', rdtype='A', tcp=False):
    """What the client gets when the cluster answers with build(question octets)."""
    up = upstream()
    up.custom = build
    try:
        return ask(server(), name, rdtype, tcp=tcp)
    finally:
        up.custom = None


def test_chained_pointers_in_an_answer():
    def build(asked):
        parsed = wire.parse(asked)
        base = 12 + len(parsed.question)
        first = b'\xc0\x0c' + struct.pack('>HHIH', 5, 1, 30, 4) + b'\x01a\xc0\x10'
        second = struct.pack('>H', 0xc000 | base + 12) + struct.pack('>HHIH', 1, 1, 30, 4) + bytes([10, 1, 1, 1])
        return badup.reply(asked, wire.AA, [first, second])
    reply = odd_answer(build)
    equal(reply.answer, ['a.cluster-b.local. A 10.1.1.1', 'odd.cluster-b.local. CNAME a.cluster-b.local.'],
          'a target that points into the question, an owner that points into data')


def test_answers_with_odd_but_legal_records():
    for rdtype, data, what in ((65400, bytes(range(256)), 'unknown data'), (16, b'\0', 'an empty string'), (65400, b'', 'no data'),
                               (1, b'\x0a\1\1\1', 'an address'), (42, b'\0\1\x18\3\x0a\1\1', 'APL')):
        reply = odd_answer(lambda asked, t=rdtype, d=data: badup.reply(asked, wire.AA, [wire.record(b'\xc0\x0c', t, d)]), rdtype=f'TYPE{rdtype}')
        equal([(r.rdtype, r.data) for r in reply.parsed.records if r.section == 'answer'], [(rdtype, data)], what)


def test_answers_that_are_malformed_become_servfail():
    def bad(data, rdtype):
        return lambda asked: badup.reply(asked, wire.AA, [wire.record(b'\xc0\x0c', rdtype, data)])
    for rdtype, data, what in ((5, b'\x03abc', 'a CNAME that runs out'), (5, b'\xc0\xff', 'a pointer beyond the end'),
                               (5, b'\x01a\0x', 'a CNAME with an octet too many'), (33, bytes(5), 'half an SRV'),
                               (6, b'\0\0' + bytes(19), 'an SOA one octet short'), (15, b'\0', 'half an MX')):
        reply = odd_answer(bad(data, rdtype))
        equal((reply.rcode, reply.answer), ('SERVFAIL', []), what)
        check(reply.ede, f'{what}: with an extended error', reply.short())
    equal(ask(server(), 'fine.cluster-b.local').rcode, 'NOERROR', 'and the cluster is still asked')


def rich_answer(asked):
    """A legal answer with many types, pointers and an OPT, for names with a first label of four."""
    inside, parsed = wire.name('x.web.svc.cluster.local'), wire.parse(asked)
    answers = [wire.record(b'\xc0\x0c', 'CNAME', b'\x01y\xc0\x11'), wire.record(b'\xc0\x0c', 'SRV', bytes(6) + inside),
               wire.record(inside, 'SVCB', b'\0\1' + inside + b'\0\1\0\3\x02h2'), wire.record(b'\xc0\x0c', 'TXT', b'\x02ab\0\1c'),
               wire.record(b'\xc0\x0c', 'NAPTR', bytes(4) + b'\1S\1x\0' + inside), wire.record(b'\xc0\x0c', 'TYPE65400', inside)]
    soa = wire.record('cluster.local', 'SOA', b'\xc0\x0c' * 2 + bytes(20))
    return message(parsed.ident, wire.QR | wire.AA | RD, [parsed.question], answers, [soa],
                   [wire.record(b'\xc0\x0c', 'A', bytes(4)), opt(options=wire.option(15, b'\0\1'))])


def test_mutated_answers():
    """Octets behind the question are changed at random: the client gets whole messages only."""
    up, generator = badup.Upstream(f'{loopback_net()}.20', free_port()), random.Random(8)
    here = isthmus(f'''    cluster cluster-b.local {{
        dns {up.address}:{up.port}
        timeout 500ms
        max_fails 0
    }}''')

    def build(asked):
        octets = bytearray(rich_answer(asked))
        start = 12 + len(wire.parse(asked).question)
        for _ in range(generator.randrange(0, 4)):
            octets[generator.randrange(start, len(octets))] = generator.choice((0, 1, 12, 63, 64, 192, 255, generator.randrange(256)))
        if generator.random() < 0.1:
            octets[generator.randrange(6, 12)] = generator.randrange(4)
        return bytes(octets[:generator.randrange(start, len(octets))] if generator.random() < 0.1 else octets)
    up.custom = build
    codes = collections.Counter()

    def one(i):
        octets = (exchange_tcp if i % 5 == 0 else exchange_udp)(here, make_query(f'{i:04}.cluster-b.local', 'ANY', edns=4096), 5)
        parsed = wire.parse(octets)
        if parsed.rcode == NOERROR:
            inside = [r.owner for r in parsed.data_records() if [x.lower() for x in wire.labels(r.owner)[-2:]] == [b'cluster', b'local']]
            check(not inside, 'owners are renamed, or the answer is refused', inside)
        return parsed.rcode
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        codes.update(pool.map(one, range(2000)))
    check(here.alive, 'the program lives')
    check(codes[NOERROR] > 200 and codes[wire.SERVFAIL] > 50, 'some were legal and some were not', codes)


def test_options_of_an_upstream_stay_there():
    def build(asked):
        extra = wire.option(10, bytes(16)) + wire.option(3, b'nsid') + wire.option(8, b'\0\1\x18\0\x0a\1\2') + wire.option(12, bytes(9))
        octets = bytearray(badup.reply(asked, wire.AA, [wire.record(b'\xc0\x0c', 'A', bytes([10, 1, 1, 1]))]) + opt(options=extra))
        octets[11] = 1
        return bytes(octets)
    reply = odd_answer(build)
    equal((reply.data, [code for code, _ in reply.parsed.options]), (['10.1.1.1'], []), 'cookie, NSID, subnet and padding')
    check('A' in odd_answer(build).answer[0], 'with EDNS')
    up = upstream()
    up.custom = build
    equal(ask(server(), 'odd.cluster-b.local', edns=None).parsed.opt, None, 'no OPT for a client without')
    up.custom = None


def test_flags_of_a_cluster_are_passed():
    for flags in (wire.AA, wire.RA, wire.AA | wire.RA, 0):
        reply = odd_answer(lambda asked, f=flags: badup.reply(asked, f, [wire.record(b'\xc0\x0c', 'A', bytes([10, 1, 1, 1]))]))
        equal(reply.parsed.flags & (wire.AA | wire.RA), flags, f'flags {flags:04x}')


@harness.namespace('10.97.0.1')
def test_replies_longer_than_the_path_come_in_fragments():
    sizes = {'small': 10, 'middle': 200, 'large': 1500}
    texts = {name: ' '.join(f'"{"x" * min(size - at, 200)}"' for at in range(0, size, 200)) for name, size in sizes.items()}
    zone = harness.write(harness.folder('zone') + '/db', '$ORIGIN long.test.\n$TTL 60\n@ SOA ns me 1 3600 600 86400 60\n'
                         + ''.join(f'{name} TXT {text}\n' for name, text in texts.items()))
    here = isthmus(f'    file {zone}', keys='long.test')
    subprocess.run(['ip', 'link', 'set', 'lo', 'mtu', '150'], check=True)
    for name in ('small', 'middle', 'small', 'large', 'middle', 'large', 'small'):
        equal(ask(here, f'{name}.long.test', 'TXT', edns=4096).data, [texts[name]], f'the {name} one arrives whole')


if __name__ == '__main__':
    harness.main()
