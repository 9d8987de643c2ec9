#!/usr/bin/env python3
"""Pages over HTTP: /metrics as promtool reads it, /health, /ready, lame duck, addresses that cannot
be had, and what pages cost where there are none."""
import json
import re
import signal
import socket
import subprocess
import time

import badup
import harness
from harness import ISTHMUS, Process, ask, check, equal, folder, free_port, isthmus, loopback_net, need, wait_until, within, write
from pages import attempt, get


def values(text):
    """Series with labels -> value."""
    return {m[1]: float(m[2]) for m in re.finditer(r'^([a-z]\S*(?: \S*"[^"]*"\S*)*) (\S+)$', text, re.M)}


def memory_kib(server):
    with open(f'/proc/{server.popen.pid}/status', encoding='ascii') as file:
        return int(re.search(r'VmRSS:\s+(\d+)', file.read())[1])


def loaded(server):
    with open(f'/proc/{server.popen.pid}/maps', encoding='ascii') as file:
        return 'libmicrohttpd' in file.read()


def test_metrics_are_what_promtool_reads():
    tool = need('promtool')
    up, port = badup.Upstream(f'{loopback_net()}.10', free_port(), 'good'), free_port()
    server = isthmus(f'    prometheus 127.0.0.1:{port}\n    cache\n    reload\n    rewrite stop name exact "od\\"d.test" x.b.lan\n'
                     f'    cluster b.lan {{\n        dns {up.address}:{up.port}\n    }}\n    forward . {up.address}:{up.port}')
    for name in ('www.b.lan', 'www.b.lan', 'nxdomain.b.lan', 'www.test'):
        ask(server, name)
    ask(server, 'www.test', 'AAAA', tcp=True, do=True)
    status, text = get(port, '/metrics')
    equal(status, 200, 'there is a page')
    done = subprocess.run([tool, 'check', 'metrics'], input=text, capture_output=True, text=True, timeout=60, check=False)
    equal((done.returncode, done.stdout + done.stderr), (0, ''), 'promtool has nothing to say')
    found = values(text)
    at = f'server="dns://127.0.0.1:{server.port}"'
    for series, value in ((f'coredns_dns_requests_total{{family="1",proto="udp",{at},type="A",view="",zone="."}}', 4),
                          (f'coredns_dns_requests_total{{family="1",proto="tcp",{at},type="AAAA",view="",zone="."}}', 1),
                          (f'coredns_dns_responses_total{{plugin="errors",rcode="NXDOMAIN",{at},view="",zone="."}}', 1),
                          (f'coredns_dns_request_duration_seconds_count{{{at},view="",zone="."}}', 5),
                          (f'coredns_cache_hits_total{{{at},type="success",view="",zones="."}}', 1),
                          ('isthmus_cluster_up{cluster="b.lan"}', 1), ('isthmus_cluster_requests_total{cluster="b.lan"}', 2),
                          ('isthmus_cluster_renames_total{cluster="b.lan"}', 2), ('coredns_forward_healthcheck_broken_total', 0)):
        equal(found.get(series), value, series)
    misses = [v for k, v in found.items() if k.startswith('coredns_proxy_conn_cache_misses_total{proto="tcp",proxy_name="forward"')]
    equal(misses, [1], 'one connection was opened')
    check('www' not in text, 'no name that was asked is a label')
    up.close()


def test_two_blocks_with_one_zone():
    """Their clusters share a label; each has counters for the servers it asks."""
    net, port, second = loopback_net(), free_port(), free_port()
    ups = [badup.Upstream(f'{net}.{10 + i}', port) for i in range(2)]
    blocks = [f"""\
.:{place} {{
    bind 127.0.0.1
    multisocket 1
    prometheus 127.0.0.1:{free_port()}
    cluster b.lan {{
        dns {up.address}:{port}
    }}
}}
""" for place, up in zip(('@PORT@', second), ups)]
    server = harness.Isthmus(''.join(blocks))
    for place, up in zip((server.port, second), ups):
        server.port = place
        equal(ask(server, 'x.default.svc.b.lan').data, ['192.0.2.7'], f'{place} answers')
        equal(len(up.asked('x.default.svc.cluster.local')), 1, 'from its own server')


def test_pages_and_nothing_else():
    port = free_port()
    server = isthmus(f'    prometheus 127.0.0.1:{port}\n    health 127.0.0.1:{port}\n    ready 127.0.0.1:{port}\n    whoami')
    for path, wanted in (('/health', (200, 'OK')), ('/ready', (200, 'OK')), ('/', (404, '404 page not found\n')),
                         ('/metrics/', (404, '404 page not found\n')), ('/health/../metrics', (404, '404 page not found\n'))):
        equal(get(port, path), wanted, path)
    equal(get(port, '/metrics', 'HEAD'), (200, ''), 'HEAD has no body')
    equal(get(port, '/health', 'POST')[0], 405, 'POST is not allowed')
    with socket.create_connection(('127.0.0.1', port), 10) as slow:
        slow.send(b'GET /hea')
        equal(get(port, '/health')[0], 200, 'a slow client holds nobody up')
    for junk in (b'\x00' * 100, b'GET ' + b'/' * 40000 + b' HTTP/1.1\r\n\r\n', b'GET /health HTTP/1.1\r\n' + b'A: b\r\n' * 9000):
        with socket.create_connection(('127.0.0.1', port), 10) as bad:
            try:
                bad.sendall(junk)
                bad.recv(100)
            except OSError:
                pass
    equal(get(port, '/health')[0], 200, 'nor does junk')
    check(server.alive, 'the program lives')


def test_many_clients_are_bounded():
    port = free_port()
    server = isthmus(f'    health 127.0.0.1:{port}\n    whoami')
    held = [socket.create_connection(('127.0.0.1', port), 10, ('127.0.0.2', 0)) for _ in range(200)]
    equal(ask(server, 'x.test').rcode, 'NOERROR', 'DNS goes on')
    equal(attempt(port), 200, 'one address cannot have all connections: the probe of health has another')
    for sock in held:
        sock.close()
    wait_until(lambda: attempt(port) == 200, 10, 'pages after they have gone')
    held = [socket.create_connection(('127.0.0.1', port), 60, (f'127.0.0.{2 + i % 10}', 0)) for i in range(100)]
    equal(held[0].recv(1), b'', 'who says nothing is let go')
    for sock in held:
        sock.close()
    wait_until(lambda: attempt(port) == 200, 10, 'pages after all had been taken by the silent')


def many_clusters(n):
    """The directive of an inventory of so many clusters."""
    clusters = [{'name': f'c{i}', 'dns': [f'127.1.{i // 250}.{i % 250 + 1}:1'], 'services': [f'10.{i // 256}.{i % 256}.0/28']} for i in range(n)]
    path = write(f'{folder("many")}/clusters.json', json.dumps(clusters))
    return f'    inventory {path} {{\n        zone {{name}}.lan\n    }}'


def test_a_long_page_is_made_once_for_many_readers():
    port, made, n = free_port(), 'pages: /clusters took', 4000
    server = isthmus(f'    prometheus 127.0.0.1:{port}\n    debug\n    cache\n{many_clusters(n)}')
    wait_until(lambda: f'}} {n}\n' in get(port, '/metrics')[1].split('# TYPE isthmus_inventory_clusters gauge')[1], 60, 'all are served')
    before = server.output().count(made)
    readers = [socket.create_connection(('127.0.0.1', port), 60, (f'127.0.0.{1 + i % 2}', 0)) for i in range(60)]
    for reader in readers:
        reader.sendall(b'GET /clusters HTTP/1.0\r\n\r\n')
    bodies = {reader.makefile('rb').read().partition(b'\r\n\r\n')[2] for reader in readers}
    equal({len(json.loads(body)['clusters']) for body in bodies}, {n}, 'each has the whole page')
    times = server.output().count(made) - before
    check(1 <= times <= 20, 'which was made for many at a time', times)
    for reader in readers:
        reader.close()
    readers = [socket.create_connection(('127.0.0.1', port), 60, (f'127.0.0.{1 + i % 2}', 0)) for i in range(60)]
    for reader in readers:
        reader.sendall(b'GET /clusters HTTP/1.1\r\nHost: x\r\n\r\n')
    readers[0].recv(1)
    server.stop()
    for reader in readers:
        reader.close()


def test_what_is_not_used_is_not_loaded():
    plain = isthmus('    whoami')
    ask(plain, 'x.test')
    check(not loaded(plain), 'no library without a page')
    port = free_port()
    with_page = isthmus(f'    health 127.0.0.1:{port}\n    whoami')
    ask(with_page, 'x.test')
    get(port, '/health')
    check(loaded(with_page), 'and with one there is')
    check(memory_kib(plain) + 300 < memory_kib(with_page), 'which takes memory', (memory_kib(plain), memory_kib(with_page)))


def start(directive):
    """The program with `whoami`, as one that may end as it likes."""
    home = folder('admin')
    path = write(f'{home}/Corefile', f'.:{free_port()} {{\n    bind 127.0.0.1\n    {directive}\n    whoami\n}}\n')
    return Process([ISTHMUS, '-conf', path], 'isthmus', cwd=home)


def test_address_that_is_taken():
    with socket.socket() as taken:
        taken.bind(('127.0.0.1', 0))
        taken.listen()
        port = taken.getsockname()[1]
        failed = start(f'health 127.0.0.1:{port}')
        equal(failed.wait(), 1, 'health keeps the program from starting')
        check(f'listen tcp 127.0.0.1:{port}: bind: ' in failed.errors(), 'and says why', failed.errors())
        equal(failed.output(), '', 'before the banner')
        for plugin, words in (('prometheus', 'Failed to start metrics handler: listen tcp'), ('ready', 'plugin/ready: ')):
            server = isthmus(f'    {plugin} 127.0.0.1:{port}\n    whoami')
            wait_until(lambda s=server, w=words: f'[ERROR] {w}' in s.output(), 5, f'the line of {plugin}')
            equal(ask(server, 'x.test').rcode, 'NOERROR', f'without {plugin} it serves all the same')
            server.stop()


def test_lame_duck():
    port, admin = free_port(), free_port()
    server = isthmus(f'    health 127.0.0.1:{admin} {{\n        lameduck 2s\n    }}\n    ready 127.0.0.1:{admin}\n    whoami', port=port)
    began = time.monotonic()
    server.signal(signal.SIGTERM)
    wait_until(lambda: 'Going into lameduck mode for 2s' in server.output(), 5, 'the line')
    equal(get(admin, '/ready'), (503, 'Shutting down'), 'not ready any more')
    equal(get(admin, '/health'), (200, 'OK'), 'yet alive')
    equal(ask(server, 'x.test').rcode, 'NOERROR', 'and serving')
    equal(server.wait(), 0, 'ends well')
    took_ms = (time.monotonic() - began) * 1000
    check(took_ms >= 2000, 'not before the time', took_ms)
    within(took_ms, 3500, 'nor long after')


def test_second_interrupt_ends_the_lame_duck():
    admin = free_port()
    server = start(f'health 127.0.0.1:{admin} {{\n        lameduck 1h\n    }}')
    wait_until(lambda: 'isthmus-' in server.output(), 10, 'the banner')
    server.signal(signal.SIGINT)
    wait_until(lambda: 'lameduck mode for 1h0m0s' in server.output(), 5, 'the line')
    server.signal(signal.SIGINT)
    equal(server.wait(), 2, 'at once, with status 2')


if __name__ == '__main__':
    harness.main()
