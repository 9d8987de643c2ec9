#!/usr/bin/env python3
"""`isthmus discover`: what a cluster says of itself, as a line that a Corefile takes. With NSD as
clusters, in a network namespace.
"""
import functools
import json
import os
import subprocess

import harness
import peers
import world
from harness import ISTHMUS, check, equal, folder, namespace, run, write

# The DNS of four clusters at the places where it is looked for, and the first address of each.
HERE = ('10.101.0.10', '10.101.0.1', '10.102.0.3', '10.102.0.1', '10.103.0.10', '10.103.0.1', '10.104.0.10')


@functools.cache
def clusters():
    usual = world.Cluster('a', '10.101.0.0/19', '10.51.0.0/16')
    third = world.Cluster('b', '10.102.0.0/19', '10.52.0.0/16', domain='k8s.cluster')
    third.records = [r for r in third.records if 'kube-dns' not in r[0]]
    third.pointers = [p for p in third.pointers if 'kube-dns' not in p[1]]
    third.service('coredns.kube-system', ['10.102.0.3'])
    rke2 = world.Cluster('c', '10.103.0.0/19', '10.53.0.0/16')
    rke2.pointers[-1] = ('10.103.0.10', 'rke2-coredns-rke2-coredns.kube-system.svc.cluster.local.')
    subprocess.run(['ip', 'route', 'add', 'unreachable', '10.0.0.0/8'], check=True)
    return [peers.Nsd(one.zones(), [address], 53)
            for one, address in ((usual, '10.101.0.10'), (third, '10.102.0.3'), (rke2, '10.103.0.10'))]


def discover(*words):
    status, out, err = run([ISTHMUS, 'discover', *words], timeout_s=60)
    return status, out, err


def offline(text):
    """(status, output, errors) of a check of a Corefile with these lines."""
    path = write(os.path.join(folder('discovered'), 'Corefile'), '. {\n bind 127.0.0.1\n' + text + '}\n')
    return run([ISTHMUS, 'check', '--offline', '-conf', path])


def loads(text):
    return offline(text)[0] == 0


def without_comments(out):
    return [line for line in out.splitlines() if not line.startswith('#')]


@namespace(*HERE)
def test_a_subnet_is_enough():
    clusters()
    status, out, err = discover('10.101.0.0/19')
    equal((status, err), (0, ''), 'status')
    for word in ('10.101.0.10 answers', 'domain cluster.local', 'spec 1.1.0', 'kube-dns.kube-system', 'kubeadm'):
        check(word in out, f'told: {word}', out)
    equal(without_comments(out), ['cluster cluster-1.lan 10.101.0.0/19'], 'the line')
    check(loads(out), 'which a Corefile takes', out)


@namespace(*HERE)
def test_the_dns_is_looked_for_at_three_places():
    clusters()
    status, out, _ = discover('b.k8s.lan=10.102.0.0/19')
    equal(status, 0, 'status')
    check('(Kubespray)' in out, 'its kind', out)
    equal(without_comments(out), ['cluster b.k8s.lan 10.102.0.0/19 {', '    index 3', '    domain k8s.cluster', '}'], 'the lines')
    check(loads(out), 'which a Corefile takes', out)
    status, out, _ = discover('10.105.0.0/19', '--parent', 'k8s.lan')
    equal((status, without_comments(out)), (1, []), 'none of them')
    check('NO ROUTE' in out and 'addresses 10, 3 and 2 of the subnet were asked' in out, 'is told', out)


@namespace(*HERE)
def test_an_address_tells_what_it_can():
    clusters()
    status, out, _ = discover('10.103.0.10', '--parent', 'k8s.lan')
    equal(status, 0, 'status')
    check('(RKE2)' in out and 'Its Service subnet begins at 10.103.0.0,' in out, 'told', out)
    equal(without_comments(out), ['cluster cluster-1.k8s.lan {', '    dns 10.103.0.10:53', '}'], 'the lines')
    check(loads(out), 'which a Corefile takes', out)


@namespace(*HERE)
def test_json_has_the_keys_of_an_inventory():
    clusters()
    status, out, err = discover('--json', 'a.lan=10.101.0.0/19', '10.102.0.3', '10.105.0.0/19')
    equal(status, 1, 'status')
    found = json.loads(out)
    equal(found, {'clusters': [
        {'name': 'a', 'zones': ['a.lan'], 'domain': 'cluster.local', 'services': ['10.101.0.0/19'], 'index': 10},
        {'name': 'cluster-2', 'zones': ['cluster-2.lan'], 'domain': 'k8s.cluster', 'dns': ['10.102.0.3:53']}]}, 'clusters')
    path = write(os.path.join(folder('inventory'), 'found.json'), out)
    check(loads(f' inventory {path}\n') and '2 clusters' in offline(f' inventory {path}\n')[1], 'an inventory takes it')
    check('10.105.0.0/19: NO ROUTE' in err, 'what was not found stands elsewhere', err)


@namespace(*HERE)
def test_subnets_that_overlap_are_told():
    clusters()
    status, _, err = discover('10.101.0.0/19', 'x.lan=10.101.0.0/16')
    check(status == 1 and '10.101.0.0/19 and x.lan=10.101.0.0/16 overlap' in err, 'overlap', err)


def test_words_that_are_neither_are_told():
    for words in ((), ('b.lan',), ('10.97.0.1/16',), ('10.97.0.0/33',), ('=10.97.0.0/16',), ('a..b=10.97.0.0/16',)):
        status, out, err = discover(*words)
        equal((status, out), (2, ''), f'{words}')
        check('usage: isthmus discover' in err, f'{words}: usage', err)


if __name__ == '__main__':
    harness.main()
