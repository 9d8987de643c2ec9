#!/usr/bin/env python3
"""`auto` and `file` while their files change: new, changed and removed zones are seen within
the interval, what is flawed changes nothing, and no question goes unanswered meanwhile."""
import os
import signal
import threading

import harness
import pages
from harness import ask, check, equal, free_port, isthmus, wait_until, write


def zone(serial, address):
    return f'$TTL 60\n@ SOA ns h {serial} 2 3 4 5\n@ NS ns\nns A 10.0.0.53\nwww A {address}\n'


def put(path, serial, address):
    """As tools do it: another file takes the place of the old."""
    write(f'{path}.new', zone(serial, address))
    os.rename(f'{path}.new', path)


def address_of(server, name):
    reply = ask(server, name)
    return reply.data[0] if reply.data else reply.rcode


def test_a_directory_is_followed():
    home = harness.folder('zones')
    put(f'{home}/db.a.test', 1, '10.0.0.1')
    server = isthmus(f'    auto {{\n        directory {home} ^db\\.(.*)$ {{1}}\n        reload 100ms\n    }}')
    equal(address_of(server, 'www.a.test'), '10.0.0.1', 'a zone of the start')
    equal(address_of(server, 'www.b.test'), 'REFUSED', 'no zone')
    put(f'{home}/db.b.test', 1, '10.0.0.2')
    wait_until(lambda: address_of(server, 'www.b.test') == '10.0.0.2', what='a new zone')
    put(f'{home}/db.b.test', 2, '10.0.0.3')
    wait_until(lambda: address_of(server, 'www.b.test') == '10.0.0.3', what='a changed zone')
    write(f'{home}/db.b.test', 'no zone\n')
    wait_until(lambda: 'db.b.test:1' in server.output(), what='a flaw is told')
    equal(address_of(server, 'www.b.test'), '10.0.0.3', 'the old zone stays')
    os.unlink(f'{home}/db.b.test')
    wait_until(lambda: address_of(server, 'www.b.test') == 'REFUSED', what='a zone that ends')
    equal(address_of(server, 'www.a.test'), '10.0.0.1', 'the other one')


def test_a_file_is_followed_under_load():
    home = harness.folder('zones')
    put(f'{home}/db', 1, '10.0.0.1')
    server = isthmus(f'    file {home}/db a.test {{\n        reload 20ms\n    }}')
    ended, wrong = threading.Event(), []

    def load():
        while not ended.is_set():
            answer = address_of(server, 'www.a.test')
            if not answer.startswith('10.0.0.'):
                wrong.append(answer)

    thread = threading.Thread(target=load)
    thread.start()
    for serial in range(2, 12):
        put(f'{home}/db', serial, f'10.0.0.{serial}')
        wait_until(lambda: address_of(server, 'www.a.test') == f'10.0.0.{serial}', what=f'serial {serial}')
    ended.set()
    thread.join()
    check(not wrong, 'every question is answered from one zone or the other', wrong[:3])


def test_a_cname_out_of_the_zone_is_looked_up():
    home = harness.folder('zones')
    write(f'{home}/a', zone(1, '10.0.0.1') + 'out CNAME www.b.test.\n')
    put(f'{home}/b', 1, '10.0.0.2')
    server = isthmus(f'    file {home}/a a.test\n    file {home}/b b.test')
    equal(sorted(ask(server, 'out.a.test').data), ['10.0.0.2', 'www.b.test.'], 'CNAME and address')


LARGE = ''.join(f'host-{i} A 10.{i >> 16}.{i >> 8 & 255}.{i & 255}\n' for i in range(200000 // harness.SLOW))


def put_large(path, serial, flaw=''):
    write(f'{path}.new', zone(serial, f'10.0.0.{serial}') + LARGE + flaw)
    os.rename(f'{path}.new', path)


def answers_until(port, condition):
    """How many pages are answered, one after the other, before the condition holds."""
    count = 0
    while not condition():
        equal(pages.get(port, '/health'), (200, 'OK'), 'healthy')
        count += 1
    return count


def test_large_zones_hold_up_nobody():
    """Were they read where pages are made, one page or two would be answered before the zone is there."""
    home, port = harness.folder('zones'), free_port()
    put(f'{home}/db.a.test', 1, '10.0.0.1')
    put(f'{home}/b', 1, '10.0.0.1')
    server = isthmus(f'''    auto {{
        directory {home}
        reload 1ms
    }}
    file {home}/b b.test {{
        reload 1ms
    }}
    health 127.0.0.1:{port}''')
    for name, path in (('www.a.test', f'{home}/db.a.test'), ('www.b.test', f'{home}/b')):
        put_large(path, 2)
        count = answers_until(port, lambda: address_of(server, name) == '10.0.0.2')  # pylint: disable=cell-var-from-loop
        check(count >= 10, f'{name}: pages while it is read', count)


def test_a_reload_waits_for_large_zones():
    """Nothing else does; what is flawed leaves the old configuration in place; and the program may end meanwhile."""
    home, port = harness.folder('zones'), free_port()
    put(f'{home}/db', 1, '10.0.0.1')
    server = isthmus(f'    file {home}/db a.test {{\n        reload 0\n    }}\n    health 127.0.0.1:{port}')
    put_large(f'{home}/db', 2)
    server.popen.send_signal(signal.SIGUSR1)
    count = answers_until(port, lambda: 'Reloading complete' in server.output())
    check(count >= 10, 'pages while it is read', count)
    equal(address_of(server, 'www.a.test'), '10.0.0.2', 'the new zone')
    put_large(f'{home}/db', 3, 'no record\n')
    server.popen.send_signal(signal.SIGUSR1)
    server.popen.send_signal(signal.SIGHUP)
    line = zone(3, '').count('\n') + LARGE.count('\n') + 1
    wait_until(lambda: server.output().count(f'Restart failed: {home}/db:{line} - ') == 2, 20, 'refused, with its line, twice')
    equal(address_of(server, 'www.a.test'), '10.0.0.2', 'the old zone stays')
    put_large(f'{home}/db', 4)
    server.popen.send_signal(signal.SIGUSR1)
    wait_until(lambda: server.output().count('] Reloading\n') == 4, 10, 'it is being read')
    server.stop()


if __name__ == '__main__':
    harness.main()
