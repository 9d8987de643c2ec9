#!/usr/bin/env python3
# e2e: quick tsan
"""proxyproto: who a client is when a load balancer tells it, over UDP and TCP, and who may tell."""
import functools
import ipaddress
import signal
import socket
import struct

import harness
from harness import Reply, TcpClient, check, equal, exchange_udp, isthmus, make_query, wait_until

SIGNATURE = b'\r\n\r\n\0\r\nQUIT\n'
CLIENT, PORT = '203.0.113.7', 4711


def header(client=CLIENT, kind=2, command=1, more=b''):
    """A header of version 2; kind 1 is TCP, 2 is UDP."""
    ip = ipaddress.ip_address(client)
    target = ipaddress.ip_address('192.0.2.1' if ip.version == 4 else '2001:db8::1')
    data = ip.packed + target.packed + struct.pack('>HH', PORT, 53) + more
    family = 1 if ip.version == 4 else 2
    return SIGNATURE + struct.pack('>BBH', 0x20 | command, family << 4 | kind, len(data)) + data


@functools.cache
def believing():
    return isthmus('''
    proxyproto
    log
    acl sees.test {
        block net 203.0.113.0/24 2001:db8::/32
    }
    whoami''')


def seen(reply):
    """Whom whoami saw."""
    address = [rdata.to_text() for rrset in reply.message.additional for rdata in rrset if rrset.rdtype in (1, 28)]
    port = [rdata.port for rrset in reply.message.additional for rdata in rrset if rrset.rdtype == 33]
    return address + port


def ask_udp(server, before, name='who.test'):
    return Reply(exchange_udp(server, before + make_query(name), ident_matters=False), 0)


def ask_tcp(server, before, name='who.test'):
    with TcpClient(server) as client:
        client.sock.sendall(before + framed(make_query(name)))
        return Reply(client.receive(), 0)


def framed(query):
    return struct.pack('>H', len(query)) + query


def test_the_client_is_whom_the_header_names():
    for client in (CLIENT, '2001:db8::7'):
        reply = ask_udp(believing(), header(client))
        equal(seen(reply), [client, PORT], f'UDP {client}')
        reply = ask_tcp(believing(), header(client, kind=1))
        equal(seen(reply), [client, PORT], f'TCP {client}')
    reply = ask_tcp(believing(), f'PROXY TCP4 {CLIENT} 192.0.2.1 {PORT} 53\r\n'.encode())
    equal(seen(reply), [CLIENT, PORT], 'TCP, version 1')
    reply = ask_udp(believing(), header(more=b'\4\0\1x'))
    equal(seen(reply), [CLIENT, PORT], 'more behind the addresses')


def test_policy_is_judged_on_that_client():
    equal(ask_udp(believing(), header(), 'sees.test').rcode, 'REFUSED', 'UDP')
    equal(ask_tcp(believing(), header(kind=1), 'sees.test').rcode, 'REFUSED', 'TCP')
    equal(ask_udp(believing(), b'', 'sees.test').rcode, 'NOERROR', 'the proxy itself')


def test_without_a_header_the_peer_is_the_client():
    equal(seen(ask_udp(believing(), b''))[0], '127.0.0.1', 'UDP')
    equal(seen(ask_tcp(believing(), b''))[0], '127.0.0.1', 'TCP')
    equal(seen(ask_udp(believing(), SIGNATURE + b'\x20\0\0\0'))[0], '127.0.0.1', 'UDP LOCAL')
    equal(seen(ask_tcp(believing(), SIGNATURE + b'\x20\0\0\0'))[0], '127.0.0.1', 'TCP LOCAL')


def test_a_header_may_come_in_pieces():
    octets = header(kind=1) + framed(make_query('who.test'))
    with TcpClient(believing()) as client:
        client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(octets)):
            client.sock.sendall(octets[i:i + 1])
        equal(seen(Reply(client.receive(), 0)), [CLIENT, PORT], 'an octet at a time')


def is_closed(server, octets):
    with TcpClient(server) as client:
        client.sock.sendall(octets)
        return client.closed_within(10) is not None


def test_what_is_no_header_is_not_served():
    check(is_closed(believing(), SIGNATURE + b'\x31\x11\0\0'), 'TCP: malformed')
    check(is_closed(believing(), b'PROXY TCP9 \r\n'), 'TCP: malformed, version 1')
    for octets in (SIGNATURE + b'\x31\x12\0\0', header(kind=1), SIGNATURE + b'\x21\x12\1\0'):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.connect((believing().address, believing().port))
            client.send(octets + make_query('who.test', ident=1))
            client.send(make_query('who.test', ident=2))
            client.settimeout(10)
            equal(client.recv(4096)[:2], b'\0\2', f'UDP {octets!r}: only the next is answered')
    wait_until(lambda: 'dropping invalid Proxy Protocol packet from 127.0.0.1' in believing().log(), what='the log')


def test_only_those_allowed_are_believed():
    for policy, sees in (('', '127.0.0.1'), ('default ignore', '127.0.0.1'), ('default use', CLIENT)):
        server = isthmus(f'proxyproto {{\n allow 127.0.0.2/32 10.0.0.0/8\n {policy}\n}}\nwhoami')
        equal(seen(ask_udp(server, header()))[0], sees, f'UDP {policy}')
        equal(seen(ask_tcp(server, header(kind=1)))[0], sees, f'TCP {policy}')
    server = isthmus('proxyproto {\n allow 10.0.0.0/8\n default reject\n}\nwhoami')
    check(is_closed(server, header(kind=1)), 'TCP: rejected')
    equal(seen(ask_tcp(server, b''))[0], '127.0.0.1', 'TCP without a header')
    server = isthmus('proxyproto {\n allow 10.0.0.0/8\n default skip\n}\nwhoami')
    with TcpClient(server) as client:
        client.sock.sendall(b'PROXY TCP4 '.ljust(2 + int.from_bytes(b'PR', 'big'), b'\0'))
        check((client.receive() or b'').startswith(b'OX'), 'TCP: read as a message')


def test_a_session_lasts_across_datagrams():
    server = isthmus('proxyproto {\n udp_session_tracking 20s\n}\nwhoami')
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect((server.address, server.port))
        client.settimeout(10)
        client.send(header())
        for _ in range(3):
            client.send(make_query('who.test', ident=7))
            equal(seen(Reply(client.recv(4096), 0)), [CLIENT, PORT], 'without a header of its own')
    equal(seen(ask_udp(server, b''))[0], '127.0.0.1', 'from another port')


def reload(server, directives):
    harness.write(server.corefile, f'.:{server.port} {{\n    bind 127.0.0.1\n{directives}\n}}\n')
    seen_before = server.log().count('Reloading complete')
    server.popen.send_signal(signal.SIGUSR1)
    wait_until(lambda: server.log().count('Reloading complete') > seen_before, what='the reload')


def test_a_reload_brings_and_takes_proxies():
    server = isthmus('whoami')
    equal(ask_tcp(server, b'').rcode, 'NOERROR', 'before')
    reload(server, 'proxyproto\nwhoami')
    equal(seen(ask_udp(server, header()))[0], CLIENT, 'UDP, after')
    equal(seen(ask_tcp(server, header(kind=1)))[0], CLIENT, 'TCP, after')
    reload(server, 'whoami')
    equal(seen(ask_udp(server, b''))[0], '127.0.0.1', 'UDP, without again')


if __name__ == '__main__':
    harness.main()
