#!/usr/bin/env python3
"""`transfer`: NSD, BIND and Knot have a large zone from the program and follow its changes;
`dig` reads every record of it; who may not have it gets nothing; slow and rude clients
harm nobody."""
import os
import socket
import struct

import harness
import wire
from harness import ask, check, dig, equal, free_port, isthmus, loopback_net, wait_until, write
from secondaries import BindSecondary, KnotSecondary, NsdSecondary

HOSTS = 30000


def zone(serial, hosts=HOSTS):
    lines = ''.join(f'host-{i} A 10.{i >> 16}.{i >> 8 & 255}.{i & 255}\n' for i in range(hosts))
    return f'''$TTL 300
@ SOA ns host.master {serial} 7200 1800 86400 60
@ NS ns
ns A 10.1.0.1
mail MX 10 ns
text TXT "one" "two \\"quoted\\""
sub NS ns.sub
ns.sub A 10.1.0.2
*.wild CNAME ns
odd\\.dot A 10.1.0.3
unknown TYPE65400 \\# 3 010203
https HTTPS 1 . alpn=h2
{lines}last A 10.9.9.{serial % 256}
'''


RECORDS = HOSTS + 12 + 1  # the SOA stands at both ends


def put(path, text):
    write(f'{path}.new', text)
    os.rename(f'{path}.new', path)


def serve(options='to *', hosts=HOSTS, more=''):
    path = f'{harness.folder("zone")}/db'
    put(path, zone(1, hosts))
    return path, isthmus(f'    file {path} big.test {{\n        reload 100ms\n    }}\n    transfer {{\n        {options}\n    }}\n{more}')


def test_secondaries_have_the_zone_and_follow_it():
    net, port = loopback_net(), free_port()
    places = {NsdSecondary: f'{net}.30', KnotSecondary: f'{net}.31', BindSecondary: '127.0.0.1'}
    ports = {kind: free_port() if kind is BindSecondary else port for kind in places}
    told = ' '.join(f'{places[kind]}:{ports[kind]}' for kind in places)
    path, server = serve(f'to * {told}\n        source 127.0.0.1')
    here = [kind('big.test', server.port, places[kind], ports[kind]) for kind in places]
    for one in here:
        equal(one.serial(), 1, f'{one.program}: the serial')
        equal(ask(one, 'last.big.test').data, ['10.9.9.1'], f'{one.program}: the last record')
        equal(ask(one, f'host-{HOSTS - 1}.big.test').rcode, 'NOERROR', f'{one.program}: the last host')
        equal(ask(one, 'text.big.test', 'TXT').data, ['"one" "two \\"quoted\\""'], f'{one.program}: text')
    put(path, zone(2))
    for one in here:
        wait_until(lambda: one.serial() == 2, 15, f'{one.program} hears of the new zone')
        equal(ask(one, 'last.big.test').data, ['10.9.9.2'], f'{one.program}: the new record')


def test_dig_reads_the_whole_zone():
    _, server = serve()
    lines = [line for line in dig(server, 'big.test', 'AXFR', '+noidnout').splitlines() if line and line[0] != ';']
    equal(len(lines), RECORDS, 'records')
    check('\tSOA\t' in lines[0] and lines[0] == lines[-1], 'an SOA at both ends', (lines[0], lines[-1]))
    equal(len(set(lines)), RECORDS - 1, 'none twice')
    lines = [line for line in dig(server, 'big.test', 'IXFR=1').splitlines() if line and line[0] != ';']
    equal(len(lines), 1, 'IXFR of the present serial: the SOA')
    lines = [line for line in dig(server, 'big.test', 'IXFR=0').splitlines() if line and line[0] != ';']
    equal(len(lines), RECORDS, 'IXFR of an old serial: the zone')
    check('transfer failed' in dig(server, 'other.test', 'AXFR').lower(), 'a zone that is not here')


def test_who_may_not_have_it_gets_nothing():
    _, server = serve('to 127.0.0.9', 10)
    equal(ask(server, 'big.test', 'AXFR', tcp=True).rcode, 'REFUSED', 'another address')
    equal(ask(server, 'big.test', 'AXFR').rcode, 'REFUSED', 'by UDP')
    _, server = serve('to *', 10, '    acl {\n        block type AXFR net *\n        allow net *\n    }\n')
    equal(ask(server, 'big.test', 'AXFR', tcp=True).rcode, 'REFUSED', 'acl says no')
    equal(ask(server, 'ns.big.test', tcp=True).rcode, 'NOERROR', 'but to nothing else')


def test_clients_that_do_not_read():
    path, server = serve()
    lazy = []
    for _ in range(20):
        client = socket.create_connection((server.address, server.port))
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for ident in range(20):
            message = wire.query('big.test', 'AXFR', ident)
            client.sendall(struct.pack('!H', len(message)) + message)
        lazy.append(client)
    for _ in range(50):
        equal(ask(server, 'ns.big.test').data, ['10.1.0.1'], 'others are answered meanwhile')
    put(path, zone(2))
    wait_until(lambda: ask(server, 'last.big.test').data == ['10.9.9.2'], what='the zone changes meanwhile')
    for client in lazy[:10]:
        client.close()
    lines = [line for line in dig(server, 'big.test', 'AXFR').splitlines() if line and line[0] != ';']
    equal(len(lines), RECORDS, 'who reads has all of it')
    with open(f'/proc/{server.popen.pid}/status', encoding='ascii') as status:
        kilobytes = next(int(line.split()[1]) for line in status if line.startswith('VmRSS'))
    check(kilobytes < 250000 or 'asan' in harness.ISTHMUS, 'memory is bounded', f'{kilobytes} kB')


def test_many_transfers_on_one_connection():
    """More than the client has room for: none is cut off, and all are whole."""
    _, server = serve()
    with harness.TcpClient(server, 60) as client:
        client.send(*(wire.query('big.test', 'AXFR', ident) for ident in range(60)))
        records = {}
        while not records or min(records.values()) < RECORDS or len(records) < 60:
            message = client.receive(60)
            if not check(message is not None, 'the connection stays', records):
                return
            ident, _, _, answers = struct.unpack('!4H', message[:8])
            check(message[3] & 15 == 0, 'NOERROR', message[:12].hex())
            records[ident] = records.get(ident, 0) + answers
    equal(set(records.values()), {RECORDS}, 'records of each')


if __name__ == '__main__':
    harness.main()
