#!/usr/bin/env python3
# e2e: tsan
"""TCP and sizes: pipelined questions are answered as they are ready, answers of 64 kB pass, UDP
answers are cut (with TC) exactly when they do not fit, and clients that dawdle, do not read, or
come in crowds cost the others nothing.
"""
import functools
import resource
import struct
import time

import badup
import harness
import peers
import wire
import world
from harness import TcpClient, ask, check, equal, exchange_udp, free_port, isthmus, loopback_net, make_query, within

ZONE = 'a-longer-name.clusters.example'
GROWS = len(wire.name(ZONE)) - len(wire.name('cluster.local'))


@functools.cache
def big_cluster():
    b = world.standard_b()
    for i in range(600):
        b.add('huge.web.svc', 'TXT', f'"{i:03}{"h" * 90}"')
    for i in range(3900):
        b.address('wide.web.svc', f'10.51.{100 + i // 250}.{i % 250}')
    for length in sweep():
        b.add(f't-{length}.web.svc', 'TXT', text_of(length))
    for count in range(1, 41):
        for i in range(count):
            b.add(f's-{count}.web.svc', 'SRV', f'0 0 80 n-{i + 1:02}.many.web.svc')
    return peers.Nsd(b.zones(), [f'{loopback_net()}.10'], free_port(), minimal=True)


@functools.cache
def server():
    up, scripted = big_cluster(), slow()
    return isthmus(f'''
    cluster {ZONE} {{
        dns {up.address}:{up.port}
    }}
    cluster plain.lan {{
        dns {up.address}:{up.port}
        domain cluster.local
    }}
    forward . {scripted.address}:{scripted.port}''')


@functools.cache
def slow():
    return badup.Upstream(f'{loopback_net()}.11', free_port())


def sweep():
    """Lengths of TXT data that lead across 512 and 1232 octets of an answer, and beyond."""
    return [*range(395, 475), *range(1105, 1190), *range(4000, 4010)]


def text_of(length):
    """TXT data of exactly that many octets, as text."""
    parts = []
    while length > 0:
        size = min(255, length - 1)
        if length - 1 - size == 1:
            size -= 1
        parts.append('"' + 'x' * size + '"')
        length -= 1 + size
    return ' '.join(parts)


# ---- pipelining ----

def test_answers_come_as_they_are_ready():
    names = ['slow-900.example', 'slow-500.example', 'fast-1.example', 'fast-2.example']
    with TcpClient(server()) as client:
        began = time.monotonic()
        client.send(*(make_query(name, ident=i) for i, name in enumerate(names)))
        order, times = [], []
        for _ in names:
            order.append(struct.unpack('>H', client.receive()[:2])[0])
            times.append((time.monotonic() - began) * 1000)
    equal((sorted(order[:2]), order[2:]), ([2, 3], [1, 0]), 'the order of answers')
    within(times[1], 300, 'quick ones do not wait for slow ones')


def test_hundreds_of_questions_on_one_connection():
    count = 500
    with TcpClient(server()) as client:
        for start in range(0, count, 50):
            client.send(*(make_query(f'app.web.svc.{ZONE}', ident=i) for i in range(start, start + 50)))
        got = [client.receive() for _ in range(count)]
    check(None not in got, 'all are answered', got.count(None))
    equal(sorted(struct.unpack('>H', octets[:2])[0] for octets in got if octets), list(range(count)), 'each once')


def test_a_question_in_pieces():
    octets = make_query(f'app.web.svc.{ZONE}')
    framed = struct.pack('>H', len(octets)) + octets
    with TcpClient(server()) as client:
        for octet in framed + framed:
            client.sock.sendall(bytes([octet]))
        for _ in range(2):
            reply = client.receive()
            check(reply is not None and harness.Reply(reply, 0).data == ['10.101.7.21'], 'octet by octet', reply)


def test_half_closed_connection_gets_its_answers():
    with TcpClient(server()) as client:
        client.send(make_query('slow-300.example'), make_query(f'app.web.svc.{ZONE}'))
        client.sock.shutdown(1)
        check(client.receive() and client.receive(), 'both answers come after the client has no more to ask')


def test_malformed_messages_on_a_connection():
    with TcpClient(server()) as client:
        client.send(b'\x12\x34' + b'\x01\x00' + b'\0\1\0\0\0\0\0\0' + b'\x41bad')
        answer = client.receive()
        check(answer is None or answer[:2] == b'\x12\x34' and answer[3] & 15 == 1, 'FORMERR, or the end', answer)
    for junk in (b'\0\0', b'\0\5hello', b'\0\x0bhello world', b'GET / HTTP/1.1\r\nHost: x\r\n\r\n', b'\xff' * 4000):
        with TcpClient(server()) as client:
            client.sock.sendall(junk)
            client.sock.shutdown(1)
            check(client.closed_within(15 * harness.slack()) is not None, f'{junk[:12]!r}: the connection ends')
    equal(ask(server(), f'app.web.svc.{ZONE}', tcp=True).data, ['10.101.7.21'], 'and others are served')


# ---- sizes ----

def test_answers_of_64_kilobytes():
    for name in (f'huge.web.svc.{ZONE}', 'huge.web.svc.plain.lan'):
        reply = ask(server(), name, 'TXT', tcp=True)
        equal((len(reply.data), reply.tc), (600, False), f'{name}: 600 TXT records')
        check(len(reply.wire) > 60000, f'{name}: in over 60,000 octets', len(reply.wire))
    reply = ask(server(), f'wide.web.svc.{ZONE}', tcp=True)
    equal((len(set(reply.data)), reply.tc), (3900, False), '3,900 addresses')
    reply = ask(server(), f'wide.web.svc.{ZONE}')
    check(reply.tc and len(reply.wire) <= 1232, 'by UDP: TC', (reply.tc, len(reply.wire)))


def test_answers_that_grow_over_64_kilobytes():
    """A message that fits TCP before its names grow, and not afterwards: never a cut name."""
    up = badup.Upstream(f'{loopback_net()}.12', free_port())
    zone = 'x' * 60 + '.' + 'y' * 60 + '.example'
    here = isthmus(f'    cluster {zone} {{\n        dns {up.address}:{up.port}\n    }}')
    targets = [wire.name(f'n-{i:04}.svc.cluster.local') for i in range(1200)]
    up.records[(wire.name('srv.cluster.local'), 33)] = [bytes(6) + target for target in targets]
    reply = ask(here, f'srv.{zone}', 'SRV', tcp=True)
    if reply.rcode == 'NOERROR':
        check(reply.tc, 'records that are left out are told with TC', reply.message.flags)
        names = {rdata.target.to_text() for rrset in reply.message.answer for rdata in rrset}
        check(all(name.endswith(f'.svc.{zone}.') for name in names), 'every target is whole')
    else:
        equal((reply.rcode, bool(reply.ede)), ('SERVFAIL', True), 'or SERVFAIL that says why')
    up.custom = lambda asked: badup.reply(asked, wire.AA, [wire.record(b'\xc0\x0c', 'SRV', bytes(6) + targets[0])], additional=[
        wire.record(b'\xc0\x0c', 'SRV', bytes(6) + target) for target in targets])
    reply = ask(here, f'glue.{zone}', 'SRV', tcp=True)
    equal((reply.rcode, reply.tc, len(reply.data), reply.additional), ('NOERROR', False, 1, []), 'what only comes along is left out')


def fits(name, rdtype, size):
    """Asks by UDP with that EDNS size and by TCP, and compares."""
    whole = ask(server(), name, rdtype, tcp=True, edns=size)
    reply = ask(server(), name, rdtype, edns=size)
    limit = max(size or 512, 512)
    what = f'{name} {rdtype}, {len(whole.wire)} octets, at {size}'
    check(not whole.tc, f'{what}: whole by TCP')
    check(len(reply.wire) <= limit, f'{what}: never longer', len(reply.wire))
    if len(whole.wire) <= limit:
        equal((reply.tc, len(reply.data)), (False, len(whole.data)), f'{what}: fits')
    elif rdtype == 'TXT':
        check(reply.tc, f'{what}: does not fit, TC')
    check(len(reply.data) == len(whole.data) or reply.tc, f'{what}: no answer is left out without TC')
    return len(whole.wire)


def test_truncation_sweep():
    for size in (None, 512, 1232):
        sizes = set()
        around = size or 512
        for length in sweep():
            if around - 120 <= length <= around + 40:
                sizes.add(fits(f't-{length}.web.svc.{ZONE}', 'TXT', size))
        check({around - 1, around, around + 1} <= sizes, f'the sweep met {around} exactly', sorted(sizes)[:3])


def test_truncation_of_many_records():
    for count in range(1, 41):
        for size in (None, 512, 700, 1232):
            fits(f's-{count}.web.svc.{ZONE}', 'SRV', size)


def test_small_and_huge_edns_sizes():
    for size in (0, 1, 100, 511):
        reply = ask(server(), f't-420.web.svc.{ZONE}', 'TXT', edns=size)
        check(len(reply.wire) <= 512, f'size {size} counts as 512', len(reply.wire))
    reply = ask(server(), f't-1150.web.svc.{ZONE}', 'TXT', edns=65535)
    check(not reply.tc and len(reply.wire) > 1150, 'size 65535 gets the whole answer', reply.tc)


# ---- clients that dawdle, and crowds ----

def test_slow_talkers_are_closed():
    """One octet now and then does not keep a connection: the first question has 3 s."""
    octets = make_query(f'app.web.svc.{ZONE}')
    framed, closed, began = struct.pack('>H', len(octets)) + octets, None, time.monotonic()
    with TcpClient(server()) as client:
        for octet in framed:
            try:
                client.sock.sendall(bytes([octet]))
            except OSError:
                closed = time.monotonic() - began
                break
            if client.closed_within(0.3) is not None:
                closed = time.monotonic() - began
                break
    check(closed is not None and 2 <= closed <= 4.5 * harness.slack(), 'closed after about 3 s', closed)


def test_silent_connections_are_closed():
    began = time.monotonic()
    quiet, used = TcpClient(server(), 20), TcpClient(server(), 20)
    used.send(make_query(f'app.web.svc.{ZONE}'))
    check(used.receive() is not None, 'a first question')
    check(quiet.closed_within(6 * harness.slack()) is not None, 'no question: closed after some seconds')
    lasted = time.monotonic() - began
    check(1 < lasted < 5 * harness.slack(), 'about 3 s', f'{lasted:.1f} s')
    check(used.closed_within(14 * harness.slack()) is not None, 'no second question: closed, too')
    lasted = time.monotonic() - began
    check(8 < lasted < 13 * harness.slack(), 'after about 10 s', f'{lasted:.1f} s')


def test_clients_that_do_not_read():
    """Each asks for 64 kB many times and reads nothing: it is cut, and the program stays small."""
    def resident_kb():
        with open(f'/proc/{server().popen.pid}/statm', encoding='ascii') as file:
            return int(file.read().split()[1]) * 4
    before = resident_kb()
    deaf = []
    for _ in range(20):
        client = TcpClient(server())
        client.sock.setsockopt(harness.socket.SOL_SOCKET, harness.socket.SO_RCVBUF, 4096)
        client.sock.settimeout(0.2)
        try:
            client.send(*(make_query(f'huge.web.svc.{ZONE}', 'TXT') for _ in range(400)))
        except OSError:
            pass
        deaf.append(client)
    reply = ask(server(), f'app.web.svc.{ZONE}')
    equal(reply.data, ['10.101.7.21'], 'others are served meanwhile')
    within(reply.ms, 300, 'quickly')
    if harness.SLOW == 1:
        check(resident_kb() - before < 64 * 1024, 'memory stays bounded', f'{resident_kb() - before} kB more')
    for client in deaf:
        client.sock.close()


def test_connections_of_one_address_are_bounded():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 1600:
        harness.skip(f'only {hard} descriptors')
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1600), hard))
    here = isthmus('    multisocket 1\n    forward . 127.0.0.1:1')
    crowd = []
    for _ in range(1100):
        try:
            crowd.append(TcpClient(here, 5))
        except OSError:
            break
    closed = sum(client.closed_within(0.5) is not None for client in crowd[1000:])
    check(closed >= 90, 'from the 1,001st on they are closed', f'{closed} of {len(crowd) - 1000}')
    check(exchange_udp(here, make_query('x.example'), 5) is not None, 'UDP is served meanwhile')
    for client in crowd:
        client.sock.close()
    reply = harness.wait_until(lambda: harness.exchange_tcp(here, make_query('x.example'), 2), 10, 'room again')
    check(reply is not None, 'and TCP afterwards')


def test_descriptors_run_out():
    """Forty descriptors and a hundred clients: UDP is served, nothing spins, and TCP comes back."""
    up = slow()
    here = isthmus(f'    multisocket 1\n    forward . {up.address}:{up.port}')
    for i in range(20):
        ask(here, f'warm-{i}.example')
    resource.prlimit(here.popen.pid, resource.RLIMIT_NOFILE, (40, 40))

    def used_ms():
        with open(f'/proc/{here.popen.pid}/stat', encoding='ascii') as file:
            words = file.read().rpartition(')')[2].split()
        return (int(words[11]) + int(words[12])) * 10
    crowd = [TcpClient(here) for _ in range(100)]
    before, began = used_ms(), time.monotonic()
    replies = [ask(here, f'udp-{i}.example') for i in range(50)]
    equal({r.rcode for r in replies}, {'NOERROR'}, 'UDP is served')
    time.sleep(max(0, 0.5 - (time.monotonic() - began)))
    spent = used_ms() - before
    check(spent < 300 * harness.slack(), 'nothing spins', f'{spent} ms of CPU in {time.monotonic() - began:.1f} s')
    for client in crowd:
        client.sock.close()
    reply = harness.wait_until(lambda: harness.exchange_tcp(here, make_query('tcp.example'), 1), 10, 'TCP afterwards')
    equal(harness.Reply(reply, 0).data, ['192.0.2.7'], 'TCP is back')


def test_replies_come_from_the_address_that_was_asked():
    up = slow()
    here = harness.Isthmus(f'.:@PORT@ {{\n    forward . {up.address}:{up.port}\n}}\n')
    for last in (1, 7, 200):
        for tcp in (False, True):
            here.address = f'127.0.3.{last}'
            equal(ask(here, 'x.example', tcp=tcp).data, ['192.0.2.7'], f'asked at {here.address}')
    here.address = '::1'
    try:
        equal(ask(here, 'x.example').data, ['192.0.2.7'], 'asked at ::1')
    except OSError:
        harness.skip('no IPv6 loopback here')


if __name__ == '__main__':
    harness.main()
