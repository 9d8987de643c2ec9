#!/usr/bin/env python3
# e2e: tsan
"""The map that many replicas share: keys of a real etcd, read and watched through its JSON gateway. The clusters'
DNS is one NSD."""
import functools
import os
import time

import harness
import peers
from harness import ask, check, equal, folder, free_port, isthmus, loopback_net, slack, wait_until, write
from keys import Etcd, code
from pages import get

PREFIX = '/isthmus/clusters/'
SECRET = 'password-that-nobody-may-see'


@functools.cache
def dns():
    nets, port = {letter: loopback_net() for letter in 'abcde'}, free_port()
    zone = ['cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5',
            'cluster.local. 30 IN NS ns.dns.cluster.local.', 'ns.dns.cluster.local. 30 IN A 192.0.2.9',
            'dns-version.cluster.local. 30 IN TXT "1.1.0"', 'kubernetes.default.svc.cluster.local. 5 IN A 192.0.2.1']
    peers.Nsd({'cluster.local': '\n'.join(zone) + '\n'}, [f'{net}.10' for net in nets.values()], port)
    return nets, port


def etcd_of_clusters():
    return Etcd(PREFIX)


def cluster(letter, bits=26):
    return {'name': letter, 'services': [f'{dns()[0][letter]}.0/{bits}']}


def start(etcd, options='', endpoint=None):
    page = free_port()
    server = isthmus(f'''
    prometheus 127.0.0.1:{page}
    inventory etcd:{PREFIX} {{
        endpoint {endpoint or f'http://127.0.0.1:{etcd.port}'}
        interval 200ms
        zone {{name}}.k8s.lan
        port {dns()[1]}
        {options}
    }}
    cache''')
    server.clusters = lambda: get(page, '/clusters')[1]
    return server


def answers(server, letter):
    return ask(server, f'kubernetes.default.svc.{letter}.k8s.lan').data == ['192.0.2.1']


def lost(server, letters='abcd'):
    return [letter for letter in letters if not answers(server, letter)]


def comes(server, letter):
    began = time.monotonic()
    wait_until(lambda: answers(server, letter), 10, f'{letter} is served')
    check(time.monotonic() - began < 2 * slack(), f'{letter} within 2 s')


def goes(server, letter):
    wait_until(lambda: not answers(server, letter), 10, f'{letter} is gone')


def test_keys_come_change_and_go():
    etcd = etcd_of_clusters()
    etcd.put('a', cluster('a'))
    etcd.put('more', [cluster('b'), cluster('c')])
    etcd.call('/v3/kv/put', {'key': code('/isthmus/clusters-old/x'), 'value': code('no JSON')})
    server = start(etcd, endpoint=f'http://127.0.0.1:1 http://127.0.0.1:{etcd.port}/')
    comes(server, 'a')
    equal(lost(server, 'abc'), [], 'one cluster a key, or several; the second endpoint')
    check('no JSON' not in server.log(), 'and no other keys', server.log())
    etcd.put('d', cluster('d'))
    comes(server, 'd')
    times = []
    for n in range(100):
        etcd.put('d', cluster('d', 27 - n % 2))
        began = time.monotonic()
        wait_until(lambda n=n: f'{dns()[0]["d"]}.0/{27 - n % 2}' in server.clusters(), 10, 'the change')
        times.append((time.monotonic() - began) * 1000)
    times.sort()
    print(f'    etcd: change to map p50 {times[len(times) // 2]:.0f} ms, worst {times[-1]:.0f} ms of {len(times)}')
    etcd.put('a', '{"name": "a", "services": ["')
    wait_until(lambda: f'{PREFIX}a' in server.log(), 10, 'a value that is no JSON is told')
    check(answers(server, 'a'), 'and takes nothing away')
    etcd.delete('d')
    goes(server, 'd')
    etcd.delete('', PREFIX[:-1] + '0')
    wait_until(lambda: '3 of 3 clusters are gone at once' in server.log(), 10, 'all keys at once')
    equal(lost(server, 'abc'), [], 'which is not believed')


def test_no_failure_takes_a_name_away():
    etcd = etcd_of_clusters()
    for letter in 'abcd':
        etcd.put(letter, cluster(letter))
    server = start(etcd)
    comes(server, 'a')
    gone = lost(server)
    etcd.process.kill()
    wait_until(lambda: 'what was known of it stays' in server.log(), 10, 'etcd is away')
    gone += lost(server)
    etcd.start()
    for n in range(3):
        etcd.put('d', cluster('d', 26 + n % 2))
    etcd.call('/v3/kv/compaction', {'revision': '7', 'physical': True})
    etcd.put('e', cluster('e'))
    comes(server, 'e')
    gone += lost(server)
    etcd.process.freeze()
    gone += lost(server)
    etcd.process.thaw()
    etcd.put('e', cluster('e', 27))
    wait_until(lambda: f'{dns()[0]["e"]}.0/27' in server.clusters(), 20, 'the change after a pause')
    etcd.process.kill()
    os.rename(f'{etcd.home}/data', f'{etcd.home}/lost')
    etcd.start()
    wait_until(lambda: 'nothing is there, which is not believed' in server.log(), 20, 'an etcd that has lost all')
    gone += lost(server, 'abcde')
    equal(gone, [], 'known names lost')


def test_a_user():
    etcd = etcd_of_clusters()
    etcd.put('a', cluster('a'))
    etcd.demand_user('root', SECRET)
    path = write(f'{folder("password")}/password', 'wrong\n')
    server = start(etcd, f'user root {path}')
    wait_until(lambda: '/v3/auth/authenticate' in server.log(), 10, 'a wrong password is told')
    write(path, SECRET + '\n')
    comes(server, 'a')
    etcd.log_in('root', SECRET)
    etcd.put('b', cluster('b'))
    comes(server, 'b')
    check(SECRET not in server.log() and SECRET not in server.clusters() and etcd.token not in server.log(), 'no secret in logs and pages')


if __name__ == '__main__':
    harness.main()
