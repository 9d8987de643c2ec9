#!/usr/bin/env python3
# e2e: tsan
"""Another Corefile in the place of the one in use: by signal, by watching, refused with every reason,
with what is kept and what is not, and with clients who notice nothing."""
import os
import re
import signal
import socket
import threading
import time

import badup
import harness
from harness import (ISTHMUS, Process, TcpClient, ask, check, equal, folder, free_port, is_served, isthmus, loopback_net,
                     make_query, wait_until, write)
from pages import attempt, get

DONE = '[INFO] Reloading complete'


def put(server, text):
    """As an editor or a ConfigMap does it."""
    write(server.corefile + '.new', text.replace('@PORT@', str(server.port)))
    os.rename(server.corefile + '.new', server.corefile)


def block(directives, head='.'):
    return f'{head}:@PORT@ {{\n    bind 127.0.0.1\n    errors\n{directives}\n}}\n'


def hosts(address):
    return f'    hosts {{\n        {address} x.test\n    }}'


def reload(server, text=None, number=signal.SIGUSR1, ends=1):
    """Gives the signal and waits until it has been followed, or refused."""
    count = server.output().count(DONE)
    refused = server.output().count('old configuration stays')
    if text is not None:
        put(server, text)
    server.signal(number)
    wait_until(lambda: server.output().count(DONE) >= count + ends or server.output().count('old configuration stays') > refused,
               10, 'the reload')


def descriptors(server):
    return len(os.listdir(f'/proc/{server.popen.pid}/fd'))


def test_signals():
    server = isthmus(hosts('192.0.2.1'))
    for number, address in ((signal.SIGUSR1, '192.0.2.2'), (signal.SIGHUP, '192.0.2.3')):
        reload(server, block(hosts(address)), number)
        equal(ask(server, 'x.test').data, [address], f'{number.name}: the new one answers')
        check(f'[INFO] {number.name}: Reloading\n[INFO] Reloading\n' in server.output(), f'{number.name} in the log')


def test_bad_file_is_told_whole_and_leaves_the_old():
    server = isthmus(hosts('192.0.2.1'))
    bad = block('    nonsense\n    forward\n    cache 1 2 {') + 'two..dots {\n    whoami\n}\n'
    reload(server, bad)
    errors = re.findall(r'^\[ERROR\] Restart failed: \S+:(\d+) - ', server.output(), re.M)
    check(len(errors) >= 2, 'every error of the file has its line', server.output())
    equal(ask(server, 'x.test').data, ['192.0.2.1'], 'the old configuration answers')
    reload(server, block(hosts('192.0.2.2')))
    equal(ask(server, 'x.test').data, ['192.0.2.2'], 'mended, it is taken over')


def test_address_that_is_taken_rolls_all_back():
    admin, more = free_port(), free_port()
    server = isthmus(hosts('192.0.2.1'))
    before = descriptors(server)
    with socket.socket() as taken, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dns:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        dns.bind(('127.0.0.1', 0))
        free = f'    health 127.0.0.1:{admin}\n    ready 127.0.0.1:{more}\n'
        for what in (block(free + f'    health2\n{hosts("192.0.2.2")}'),
                     block(free + hosts('192.0.2.2')) + f'a:{dns.getsockname()[1]} {{\n    bind 127.0.0.1\n    whoami\n}}\n',
                     block(hosts('192.0.2.2')) + f'a:@PORT@ {{\n    bind 127.0.0.1\n    ready 127.0.0.1:{admin}\n'
                     f'    health 127.0.0.1:{taken.getsockname()[1]}\n    whoami\n}}\n'):
            reload(server, what)
            equal(ask(server, 'x.test').data, ['192.0.2.1'], 'the old configuration answers')
            equal(attempt(admin), None, 'no page was left open')
    equal(descriptors(server), before, 'nor a descriptor')


def test_pages_follow():
    first, second = free_port(), free_port()
    server = isthmus(f'    health 127.0.0.1:{first}\n    prometheus 127.0.0.1:{first}\n    whoami')
    ask(server, 'x.test')
    reload(server, block(f'    health 127.0.0.1:{first}\n    prometheus 127.0.0.1:{second}\n    reload\n    whoami'))
    equal(get(first, '/health')[0], 200, 'what stays is served on')
    equal(get(first, '/metrics')[0], 404, 'what has moved is gone')
    text = get(second, '/metrics')[1]
    check(re.search(r'requests_total\{.*type="A".*\} 1\n', text), 'and has its counts with it', text[:3000])
    digest = re.search(r'Running configuration SHA512 = ([0-9a-f]{128})\n', server.output())
    check(digest and f'value="{digest[1]}"' in text, 'the digest of the log is shown')
    reload(server, block('    whoami'))
    equal((attempt(first), attempt(second)), (None, None), 'without the plugins both are closed')


def test_cache_and_health_are_kept():
    up = badup.Upstream(f'{loopback_net()}.10', free_port(), 'good')
    cluster = f'    cluster b.lan {{\n        dns {up.address}:{up.port}\n    }}'
    server = isthmus(f'    cache\n{cluster}')
    ask(server, 'kept.b.lan')
    reload(server, block(f'    cache 100\n    log\n{cluster}') + 'other.test:@PORT@ {\n    bind 127.0.0.1\n    whoami\n}\n')
    asked = len(up.asked())
    equal(ask(server, 'kept.b.lan').data, ['192.0.2.7'], 'a kept answer is given again')
    equal(len(up.asked()), asked, 'without asking anew')
    up.close()
    server.stop()
    server = isthmus(f'    cache\n{hosts("192.0.2.1")}')
    ask(server, 'x.test')
    reload(server, block(f'    cache\n{hosts("192.0.2.2")}'))
    equal(ask(server, 'x.test').data, ['192.0.2.2'], 'what the block itself says otherwise is seen at once')


def test_file_is_watched():
    server = isthmus(f'    reload 2s 0s\n{hosts("192.0.2.1")}')
    line = re.compile(r'^\[INFO\] plugin/reload: Running configuration SHA512 = [0-9a-f]{128}$', re.M)
    wait_until(lambda: line.search(server.output()), 5, 'the digest')
    put(server, '# another spelling of the same\n' + block(f'\n    reload   2s 0s\n{hosts("192.0.2.1")}'))
    put(server, block(f'    reload 2s 0s\n{hosts("192.0.2.2")}'))
    wait_until(lambda: DONE in server.output(), 8, 'the new one')
    equal(ask(server, 'x.test').data, ['192.0.2.2'], 'it answers')
    put(server, block('    reload 2s 0s\n    nonsense\n    forward'))
    words = '[ERROR] plugin/reload: Corefile changed but reload failed: '
    wait_until(lambda: server.output().count(words) == 2, 8, 'both errors')
    put(server, '# a comment\n' + block(f'    reload 2s 0s\n{hosts("192.0.2.2")}'))
    time.sleep(4.5)
    equal(server.output().count(words), 2, 'each is told once')
    equal(server.output().count('[INFO] Reloading\n'), 2, 'what is in use already is not taken over again')
    put(server, block(hosts('192.0.2.3')))
    wait_until(lambda: server.output().count(DONE) == 2, 8, 'the last one')
    put(server, block(hosts('192.0.2.4')))
    time.sleep(3)
    equal(ask(server, 'x.test').data, ['192.0.2.3'], 'without the plugin nobody looks')


def test_standard_input_cannot_be_read_again():
    port = free_port()
    text = f'.:{port} {{\n    bind 127.0.0.1\n    reload 2s\n    whoami\n}}\n'
    process = Process([ISTHMUS, '-conf', 'stdin'], 'isthmus', stdin=text, cwd=folder('stdin'))
    wait_until(lambda: is_served(port), 10, 'the program')
    wait_until(lambda: '[WARNING] plugin/reload: the configuration came from standard input' in process.output(), 5, 'a warning')
    process.signal(signal.SIGUSR1)
    wait_until(lambda: 'Restart failed: the configuration came from standard input' in process.output(), 5, 'the reason')
    check(process.alive, 'it lives')
    process.stop()


def endless_zone():
    """Files, each of which includes the one before a hundred times."""
    place = folder('endless')
    write(f'{place}/0', 'x.elsewhere. 60 IN A 192.0.2.1\n')
    for i in range(1, 7):
        write(f'{place}/{i}', f'$INCLUDE {i - 1}\n' * 100)
    return write(f'{place}/db', '@ 60 IN SOA a b 1 2 3 4 5\n@ 60 IN NS a\n' + '$INCLUDE 6\n' * 100)


def test_what_comes_while_files_are_read():
    """Clusters come and go, and the end is no later, nor are queries blamed for it."""
    clusters = folder('clusters')
    write(f'{clusters}/a.json', '{"name": "a", "zone": "a.lan", "dns": ["192.0.2.1"]}')
    server = isthmus(f'    whoami\n    inventory {clusters}')
    zones = ''.join(f'    file {endless_zone()} z{i}.test\n' for i in range(12))
    put(server, block(f'    whoami\n    inventory {clusters}\n{zones}'))
    server.signal(signal.SIGUSR1)
    wait_until(lambda: '[INFO] Reloading\n' in server.output(), 10, 'the reload')
    write(f'{clusters}/new', '{"name": "b", "zone": "b.lan", "dns": ["192.0.2.2"]}')
    os.rename(f'{clusters}/new', f'{clusters}/b.json')
    wait_until(lambda: 'b (b.lan) has come' in server.output(), 20, 'a cluster')
    check(DONE not in server.output(), 'files are still being read')
    equal(ask(server, 'x.test').rcode, 'NOERROR', 'the old configuration serves on')
    server.popen.terminate()
    try:
        equal(server.wait(60), 0, 'it ends')
    except harness.subprocess.TimeoutExpired:
        server.kill()
        check(False, 'it ends', server.output())
    check('unanswered' not in server.output() and 'out of memory' not in server.output(), 'without complaint', server.output())


def test_nothing_is_lost():
    up = badup.Upstream(f'{loopback_net()}.10', free_port(), 'good')
    up_line = f'    forward . {up.address}:{up.port}'
    server = isthmus(up_line)
    lost, stop = [], threading.Event()

    def client(number):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.connect((server.address, server.port))
            sock.settimeout(5)
            for i in range(10 ** 6):
                if stop.is_set():
                    return
                try:
                    sock.send(make_query(f'c{number}-{i}.test'))
                    sock.recv(4096)
                except OSError as error:
                    lost.append(repr(error))

    threads = [threading.Thread(target=client, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    with TcpClient(server) as tcp:
        for i in range(20):
            more = f'z{i}:@PORT@ {{\n    bind 127.0.0.1\n    whoami\n}}\n' if i % 2 else ''
            reload(server, block(f'    log never.test\n{up_line}' if i % 3 else up_line) + more)
            tcp.send(make_query(f't{i}.test'))
            check(tcp.receive() is not None, f'reload {i}: the connection goes on')
    stop.set()
    for thread in threads:
        thread.join()
    equal(lost, [], 'no question of UDP is lost')
    server.stop()
    up.close()


if __name__ == '__main__':
    harness.main()
