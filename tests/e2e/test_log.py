#!/usr/bin/env python3
# e2e: tsan
"""What is written while questions are answered: the line of `log`, the lines of `errors`, and that
no reader of them (slow, gone, a full disk, none at all) ever holds up an answer.
"""
import os
import re
import time

import badup
import harness
from harness import ISTHMUS, Process, ask, check, equal, folder, free_port, isthmus, loopback_net, mostly_within, wait_until, within, write

LINE = re.compile(r'^\[INFO\] 127\.0\.0\.1:\d+ - (?P<id>\d+) "(?P<type>\S+) IN (?P<name>\S+) (?P<proto>udp|tcp) \d+ '
                  r'(?P<do>true|false) (?P<size>\d+)" (?P<rcode>\S+) (?P<flags>\S+) \d+ \d+\.\d+s$', re.M)


def upstream(habit='good'):
    return badup.Upstream(f'{loopback_net()}.10', free_port(), habit)


def cluster(up, before=''):
    return f'{before}    cluster b.lan {{\n        dns {up.address}:{up.port}\n    }}'


def test_line_of_log():
    server = isthmus(cluster(upstream(), '    log\n'))
    ask(server, 'App.B.lan', ident=4711)
    ask(server, 'nxdomain.b.lan', 'AAAA', tcp=True, do=True, edns=4096, ident=4712)
    wait_until(lambda: len(LINE.findall(server.output())) == 2, 5, 'two lines')
    first, second = (m.groupdict() for m in LINE.finditer(server.output()))
    equal(first, {'id': '4711', 'type': 'A', 'name': 'app.b.lan.', 'proto': 'udp', 'do': 'false', 'size': '1232',
                  'rcode': 'NOERROR', 'flags': 'qr,aa,rd'}, 'the client\'s name, not the cluster\'s')
    equal([second[key] for key in ('type', 'name', 'proto', 'do', 'size', 'rcode')],
          ['AAAA', 'nxdomain.b.lan.', 'tcp', 'true', '65535', 'NXDOMAIN'], 'TCP and DO')


def test_classes_of_log():
    up = upstream()
    for word, wanted in (('all', 3), ('success', 1), ('denial', 1), ('error', 1)):
        server = isthmus(cluster(up, f'    log . {{\n        class {word}\n    }}\n'))
        for name in ('good', 'nxdomain', 'servfail'):
            ask(server, f'{name}.b.lan')
        wait_until(lambda s=server, n=wanted: len(LINE.findall(s.output())) >= n, 5, f'class {word}')
        server.stop()
        equal(len(LINE.findall(server.output())), wanted, f'class {word}')


def test_names_cannot_forge_lines():
    server = isthmus(cluster(upstream(), '    log\n'))
    ask(server, [b'a\n[ERROR] forged', b'\x1b[31m', b'b', b'lan'])
    ask(server, 'after.b.lan')
    wait_until(lambda: 'after.b.lan' in server.output(), 5, 'the line')
    check('\n[ERROR] forged' not in server.output() and '\x1b' not in server.output(), 'control characters are escaped', server.output())


def test_failures_are_told():
    up = upstream('silent')
    server = isthmus(cluster(up))
    ask(server, 'x.b.lan')
    wait_until(lambda: '[ERROR] plugin/errors: 2 ' in server.output(), 5, 'a line of `errors`')
    line = next(text for text in server.output().split('\n') if 'plugin/errors' in text)
    check('x.b.lan. A' in line, 'with the name and the type', line)
    count = len(server.output())
    for i in range(300):
        ask(server, f'y{i}.b.lan')
    check(len(server.output()) - count < 300 * 200, 'a failing cluster does not flood the log', len(server.output()) - count)


def start(up, redirect):
    """The program with `log` and its standard output somewhere else."""
    port, home = free_port(), folder('log')
    text = f'.:{port} {{\n    bind 127.0.0.1\n    log\n    errors\n{cluster(up)}\n}}\n'
    path = write(f'{home}/Corefile', text)
    process = Process(['sh', '-c', f'exec "$0" -conf "$1" {redirect}', ISTHMUS, path], 'isthmus', cwd=home)
    process.address, process.port = '127.0.0.1', port
    wait_until(lambda: harness.is_served(port) or not process.alive, 5, 'the program')
    return process


def answers_all(process, count, what):
    times = []
    for i in range(count):
        reply = ask(process, f'{"long-" * 10}{i}.b.lan')
        times.append(reply.ms)
        if reply.data != ['192.0.2.7']:
            check(False, f'{what}: answered', reply.short())
            return
    mostly_within(times, 100, what)
    check(process.alive, f'{what}: the program lives')


def test_a_reader_that_stops_reading():
    up = upstream()
    read, write_end = os.pipe()
    os.set_inheritable(write_end, True)
    fifo = f'{folder("fifo")}/pipe'
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    process = start(up, f'>{fifo} 2>&1')
    answers_all(process, 2000, 'a full pipe')
    os.close(reader)
    answers_all(process, 200, 'a pipe without a reader')
    for end in (read, write_end):
        os.close(end)
    began = time.monotonic()
    process.popen.terminate()
    equal(process.wait(10), 0, 'and it ends well')
    within((time.monotonic() - began) * 1000, 3000, 'soon')


def test_nowhere_to_write():
    up = upstream()
    for redirect in ('>/dev/full 2>&1', '>&- 2>&-', '<&- >&- 2>&-', '2>&-'):
        process = start(up, redirect)
        answers_all(process, 200, redirect)
        process.stop()
        for seen in up.asked():
            check(b'[INFO]' not in seen.wire, f'{redirect}: no log line ends in a socket')


if __name__ == '__main__':
    harness.main()
