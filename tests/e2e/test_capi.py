#!/usr/bin/env python3
# e2e: tsan
"""Clusters that Cluster API keeps on a hub: listed, watched, and not lost by any failure of the hub. The hub is
kmock behind a proxy that spoils answers (kubeapi.py); the clusters' DNS is one NSD."""
import harness
import kubeapi
from fleet import comes, goes, lost, measure_changes, serve, services
from harness import check, equal, folder, wait_until, write
from kubeapi import Api

SECRET = 'hub-token-that-nobody-may-see'
FLEET = '/apis/cluster.x-k8s.io/v1beta1/namespaces/fleet/clusters'
FAULTS = ('401', '403', '404', '410', '429', '500', 'empty', 'cut', 'html', 'wrong', 'huge', 'slow')


def cluster(letter, bits=26, **meta):
    return {'metadata': {'name': letter, 'namespace': 'fleet', **meta},
            'spec': {'clusterNetwork': {'services': {'cidrBlocks': [services(letter, bits)]},
                                        'pods': {'cidrBlocks': [f'10.{ord(letter)}.0.0/16']}, 'serviceDomain': 'cluster.local'}}}


def hub(letters='abcd'):
    api = Api(token=SECRET)
    for letter in letters:
        api.create(FLEET, cluster(letter))
    return api


def start(api, options=''):
    path = write(f'{folder("kubeconfig")}/config', kubeapi.kubeconfig({'hub': {'server': api.url}}, {'hub': {'token': SECRET}}))
    return serve('capi:hub', f'kubeconfig {path}\n        {options}')


def test_clusters_come_change_and_go():
    api = hub()
    api.page = 3
    server = start(api)
    equal(lost(server), [], 'all pages of the list')
    wait_until(api.live, 10, 'the watch')
    api.create(FLEET, cluster('e'))
    comes(server, 'e')
    measure_changes(server, 'e', 20, lambda bits: api.change(f'{FLEET}/e', cluster('e', bits)))
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


def test_a_list_without_end():
    api = hub('abc')
    server = start(api)
    wait_until(api.live, 10, 'the watch')
    api.fault = 'endless'
    api.tell({'type': 'ERROR', 'object': {'code': 410}})
    wait_until(lambda: 'a list of more than 1000000 objects or 4096 MiB is not used' in server.log(), 60, 'it is refused')
    equal(lost(server, 'abc'), [], 'what was known stays')
    api.fault = None
    api.create(FLEET, cluster('d'))
    comes(server, 'd')


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
