#!/usr/bin/env python3
# e2e: quick
"""Forwarders that ask each other in a circle: the client hears within a second that it is one and
where it begins, nothing ends, and next to nothing is sent round (rows S8, E2).
"""
from collections import namedtuple

import harness
import peers
from harness import Isthmus, ask, check, equal, free_port, isthmus, wait_until, within

SAID = 'loop, the question came back'


def forwards_to(port, more='    loop', own_port=None, **settings):
    return isthmus(f'    log\n{more}\n    forward . 127.0.0.1:{port}', port=own_port, **settings)


def ring(count, **settings):
    """As many processes, each of which forwards to the next."""
    ports = [free_port() for _ in range(count)]
    return [forwards_to(ports[(i + 1) % count], own_port=ports[i], **settings) for i in range(count)]


def questions_for(server, name):
    """How often the log says that a name was asked for its address."""
    return server.output().count(f'"A IN {name}. ')


def expect_circle(server, name, who, **more):
    reply = ask(server, name, **more)
    equal(reply.rcode, 'SERVFAIL', f'{name} {more}: code')
    equal(reply.ede[:1], [(0, f'{who}: {SAID}')], f'{name} {more}: the extended error')
    within(reply.ms, 1000, f'{name} {more}')


def stop(servers):
    for server in servers:
        check(server.alive, 'nobody has ended')
        server.stop()


def test_rings_of_isthmus():
    for count in (1, 2, 3):
        servers = ring(count)
        first, following = servers[0], servers[1 % count]
        for tcp in (False, True):
            expect_circle(first, f'a{count}{tcp}.test', f'127.0.0.1:{following.port}', tcp=tcp)
        reply = ask(first, 'plain.test', edns=None)
        equal((reply.rcode, reply.message.edns), ('SERVFAIL', -1), 'a client without EDNS gets none')
        within(reply.ms, 1000, 'a client without EDNS')
        for server in servers:
            wait_until(lambda s=server: questions_for(s, 'plain.test'), what='the line of the log')
            check(questions_for(server, 'plain.test') <= 2, f'ring of {count}: asked once round',
                  questions_for(server, 'plain.test'))
        wait_until(lambda: 'plugin/loop: Loop (' in first.output(), what='a line about the loop')
        stop(servers)


def test_member_without_loop():
    port, other = free_port(), free_port()
    first = forwards_to(other, own_port=port)
    second = forwards_to(port, more='', own_port=other)
    expect_circle(first, 'a.test', f'127.0.0.1:{other}')
    stop([first, second])


def test_cluster_is_named():
    port, other = free_port(), free_port()
    first = isthmus(f'    loop\n    cluster cluster-b.local {{\n        dns 127.0.0.1:{other}\n    }}', port=port)
    second = isthmus(f'    cluster cluster.local {{\n        dns 127.0.0.1:{port}\n        domain cluster-b.local\n    }}',
                     port=other)
    expect_circle(first, 'app.web.svc.cluster-b.local', 'cluster-b.local')
    stop([first, second])


def test_mended_ring_is_whole_at_once():
    port, other = free_port(), free_port()
    first = forwards_to(other, own_port=port)
    second = forwards_to(port, own_port=other)
    expect_circle(first, 'a.test', f'127.0.0.1:{other}')
    second.stop()
    second = Isthmus('.:@PORT@ {\n    bind 127.0.0.1\n    whoami\n}\n', port=other)
    equal(ask(first, 'a.test').rcode, 'NOERROR', 'the same question, after the ring was mended')
    stop([first, second])


def test_one_block_behind_another_is_no_ring():
    port, other = free_port(), free_port()
    server = Isthmus(f'.:@PORT@ {{\n    bind 127.0.0.1\n    loop\n    forward . 127.0.0.1:{other}\n}}\n'
                     f'.:{other} {{\n    bind 127.0.0.1\n    loop\n    whoami\n}}\n', port=port)
    equal(ask(server, 'a.test').rcode, 'NOERROR', 'a question that passes two blocks of one process')
    server.stop()


def test_resolver_that_drops_marks():
    port, other = free_port(), free_port()
    resolver = peers.Unbound(namedtuple('Upstream', 'address port')('127.0.0.1', port), '127.0.0.1', other)
    server = forwards_to(other, own_port=port)
    wait_until(lambda: 'Query: "HINFO ' in server.output(), 20, 'the secret question comes back')
    expect_circle(server, 'a.example.org', f'127.0.0.1:{other}')
    stop([server])
    resolver.stop()


if __name__ == '__main__':
    harness.main()
