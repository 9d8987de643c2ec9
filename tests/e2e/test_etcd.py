#!/usr/bin/env python3
# e2e: tsan
"""The map that many replicas share: keys of a real etcd, read and watched through its JSON gateway. The clusters'
DNS is one NSD."""
import base64
import functools
import http.client
import json
import os
import time

import harness
import peers
from harness import Process, ask, check, equal, folder, free_port, isthmus, loopback_net, need, slack, wait_until, write
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


def code(text):
    return base64.b64encode(text.encode()).decode()


class Etcd:
    def __init__(self):
        self.home, self.port, self.peer, self.token = folder('etcd'), free_port(), free_port(), None
        self.start()

    def start(self):
        client, peer = f'http://127.0.0.1:{self.port}', f'http://127.0.0.1:{self.peer}'
        self.process = Process([need('etcd'), '--data-dir', f'{self.home}/data', '--listen-client-urls', client, '--advertise-client-urls', client,
                                '--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', f'default={peer}'], 'etcd')
        wait_until(self.is_up, 20, 'etcd is up')

    def is_up(self):
        try:
            return self.call('/v3/maintenance/status', {})[0] == 200
        except OSError:
            return False

    def call(self, path, value):
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=10)
        connection.request('POST', path, json.dumps(value), {'Authorization': self.token} if self.token else {})
        reply = connection.getresponse()
        body = reply.read()
        connection.close()
        return reply.status, body

    def put(self, key, value):
        equal(self.call('/v3/kv/put', {'key': code(PREFIX + key), 'value': code(value if isinstance(value, str) else json.dumps(value))})[0], 200, 'put')

    def delete(self, key, end=''):
        self.call('/v3/kv/deleterange', {'key': code(PREFIX + key), **({'range_end': code(end)} if end else {})})


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
    etcd = Etcd()
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
    etcd = Etcd()
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
    etcd = Etcd()
    etcd.put('a', cluster('a'))
    for path, value in (('/v3/auth/user/add', {'name': 'root', 'password': SECRET}), ('/v3/auth/user/grant', {'user': 'root', 'role': 'root'}),
                        ('/v3/auth/role/add', {'name': 'root'}), ('/v3/auth/user/grant', {'user': 'root', 'role': 'root'}), ('/v3/auth/enable', {})):
        etcd.call(path, value)
    path = write(f'{folder("password")}/password', 'wrong\n')
    server = start(etcd, f'user root {path}')
    wait_until(lambda: '/v3/auth/authenticate' in server.log(), 10, 'a wrong password is told')
    write(path, SECRET + '\n')
    comes(server, 'a')
    etcd.token = json.loads(etcd.call('/v3/auth/authenticate', {'name': 'root', 'password': SECRET})[1])['token']
    etcd.put('b', cluster('b'))
    comes(server, 'b')
    check(SECRET not in server.log() and SECRET not in server.clusters() and etcd.token not in server.log(), 'no secret in logs and pages')


if __name__ == '__main__':
    harness.main()
