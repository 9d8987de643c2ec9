#!/usr/bin/env python3
# e2e: tsan
"""Clusters that Cluster API keeps on a hub: listed, watched, and not lost by any failure of the hub. The hub is
kmock behind a proxy that spoils answers (kubeapi.py); the clusters' DNS is one NSD."""
import functools
import time

import harness
import kubeapi
import peers
from harness import ask, check, equal, folder, free_port, isthmus, loopback_net, slack, wait_until, write
from kubeapi import Api
from pages import get

SECRET = 'hub-token-that-nobody-may-see'
FLEET = '/apis/cluster.x-k8s.io/v1beta1/namespaces/fleet/clusters'
FAULTS = ('401', '403', '404', '410', '429', '500', 'empty', 'cut', 'html', 'wrong', 'huge', 'slow')


@functools.cache
def dns():
    nets, port = {letter: loopback_net() for letter in 'abcde'}, free_port()
    zone = ['cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5',
            'cluster.local. 30 IN NS ns.dns.cluster.local.', 'ns.dns.cluster.local. 30 IN A 192.0.2.9',
            'dns-version.cluster.local. 30 IN TXT "1.1.0"', 'kubernetes.default.svc.cluster.local. 5 IN A 192.0.2.1']
    peers.Nsd({'cluster.local': '\n'.join(zone) + '\n'}, [f'{net}.10' for net in nets.values()], port)
    return nets, port


def cluster(letter, bits=26, **meta):
    return {'metadata': {'name': letter, 'namespace': 'fleet', **meta},
            'spec': {'clusterNetwork': {'services': {'cidrBlocks': [f'{dns()[0][letter]}.0/{bits}']},
                                        'pods': {'cidrBlocks': [f'10.{ord(letter)}.0.0/16']}, 'serviceDomain': 'cluster.local'}}}


def hub(letters='abcd'):
    api = Api(token=SECRET)
    for letter in letters:
        api.create(FLEET, cluster(letter))
    return api


def start(api, options=''):
    path = write(f'{folder("kubeconfig")}/config', kubeapi.kubeconfig({'hub': {'server': api.url}}, {'hub': {'token': SECRET}}))
    page = free_port()
    server = isthmus(f'''
    prometheus 127.0.0.1:{page}
    inventory capi:hub {{
        kubeconfig {path}
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


def test_clusters_come_change_and_go():
    api = hub()
    api.page = 3
    server = start(api)
    equal(lost(server), [], 'all pages of the list')
    wait_until(api.live, 10, 'the watch')
    api.create(FLEET, cluster('e'))
    comes(server, 'e')
    times = []
    for n in range(20):
        api.change(f'{FLEET}/e', cluster('e', 27 - n % 2))
        began = time.monotonic()
        wait_until(lambda n=n: f'{dns()[0]["e"]}.0/{27 - n % 2}' in server.clusters(), 10, 'the change')
        times.append((time.monotonic() - began) * 1000)
    times.sort()
    print(f'    capi: change to map p50 {times[len(times) // 2]:.0f} ms, worst {times[-1]:.0f} ms of {len(times)}')
    api.change(f'{FLEET}/e', cluster('e', deletionTimestamp='2026-01-01T00:00:00Z', finalizers=['x']))
    goes(server, 'e')
    api.delete(f'{FLEET}/d')
    goes(server, 'd')
    api.create('/apis/cluster.x-k8s.io/v1beta1/namespaces/other/clusters', {'metadata': {'name': 'none', 'namespace': 'other'}, 'spec': {}})
    wait_until(lambda: 'other/none' in server.log(), 10, 'a cluster without subnets is told')
    equal(lost(server, 'abc'), [], 'the others stay')
    check(SECRET not in server.log() and SECRET not in server.clusters(), 'the token is in no log and no page')


def test_no_failure_takes_a_name_away():
    api = hub()
    server = start(api)
    gone = lost(server)
    for fault in FAULTS:
        wait_until(api.live, 20, 'the watch')
        api.fault = fault
        api.tell({'type': 'ERROR', 'object': {'code': 410, 'reason': 'Expired'}})  # a list is wanted
        count = len(api.asked)
        wait_until(lambda count=count: len(api.asked) > count + {'slow': 0, 'huge': 1, '429': 1}.get(fault, 2), 20, f'looks with {fault}')
        gone += lost(server)
        api.fault = None
        api.hold.set()
        wait_until(api.live, 20, f'the watch after {fault}')
        api.hold.clear()
        gone += lost(server)
    equal(gone, [], f'known names lost over {len(FAULTS)} faults')


def test_watches_that_end():
    api = hub('abc')
    server = start(api)
    wait_until(api.live, 10, 'the watch')
    lists = lambda: sum('limit=' in path for path, _ in api.asked)
    before = lists()
    api.tell({'type': 'BOOKMARK', 'object': {'metadata': {'resourceVersion': '7 77'}}})
    api.end_watches()
    wait_until(lambda: api.asks('resourceVersion=7%2077') > 0, 10, 'a watch from the bookmark on')
    equal(lists(), before, 'without a list')
    wait_until(api.live, 10, 'the watch')
    api.fault = 'cut line'
    api.create(FLEET, cluster('d'))
    wait_until(lambda: api.asks('watch=true') > 3, 10, 'watches again')
    equal(lost(server, 'abc'), [], 'a line that is cut takes nothing away')
    api.fault = None
    comes(server, 'd')
    wait_until(api.live, 10, 'the watch')
    api.fault = '429'
    api.end_watches()
    wait_until(lambda: 'HTTP status 429' in server.log(), 10, 'a hub that wants to rest')
    for letter in 'bcd':
        api.delete(f'{FLEET}/{letter}')
    api.fault = None
    wait_until(api.live, 20, 'the watch')
    api.tell({'type': 'ERROR', 'object': {'code': 410}})
    wait_until(lambda: '3 of 4 clusters are gone at once' in server.log(), 10, 'a list that lost more than half')
    equal(lost(server), [], 'is not believed')
    api.create(FLEET, cluster('b'))
    api.create(FLEET, cluster('c'))
    wait_until(api.live, 20, 'the watch')
    api.tell({'type': 'ERROR', 'object': {'code': 410}})
    goes(server, 'd')
    equal(lost(server, 'abc'), [], 'one that lost less is')


if __name__ == '__main__':
    harness.main()
