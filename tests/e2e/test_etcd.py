#!/usr/bin/env python3
# e2e: tsan
"""The map that many replicas share: keys of a real etcd, read and watched through its JSON gateway. The clusters'
DNS is one NSD."""
import os

import harness
from fleet import answers, comes, goes, lost, measure_changes, serve, services
from harness import check, equal, folder, wait_until, write
from keys import Endless, Etcd, code

PREFIX = '/isthmus/clusters/'
SECRET = 'password-that-nobody-may-see'


def etcd_of_clusters():
    return Etcd(PREFIX)


def cluster(letter, bits=26):
    return {'name': letter, 'services': [services(letter, bits)]}


def start(etcd, options='', endpoint=None):
    return serve(f'etcd:{PREFIX}', f'endpoint {endpoint or f"http://127.0.0.1:{etcd.port}"}\n        {options}')


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
    measure_changes(server, 'd', 100, lambda bits: etcd.put('d', cluster('d', bits)))
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
    wait_until(lambda: services('e', 27) in server.clusters(), 20, 'the change after a pause')
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


def test_a_list_without_end():
    etcd = Endless(PREFIX, {'a': cluster('a'), 'b': cluster('b')})
    server = start(etcd)
    comes(server, 'b')
    etcd.first['c'], etcd.endless = cluster('c'), True
    wait_until(lambda: 'a list of more than 1000000 objects or 4096 MiB is not used' in server.log(), 60, 'it is refused')
    wait_until(lambda: not answers(server, 'c'), 10, 'what it had brought is gone')
    equal(lost(server, 'ab'), [], 'what was known stays')
    etcd.endless = False
    comes(server, 'c')


if __name__ == '__main__':
    harness.main()
