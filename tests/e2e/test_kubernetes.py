#!/usr/bin/env python3
# e2e: tsan
"""Clusters by the APIs of Kubernetes: what a kubeconfig's contexts tell, in which order it is believed, as whom
they are asked, and that no failure of an API takes a name away. The APIs are kmock's (kubeapi.py); the clusters'
DNS is one NSD."""
import functools
import json
import os
import subprocess
import time

import kubeapi
import peers
import world
from harness import ISTHMUS, ask, check, equal, folder, free_port, isthmus, loopback_net, namespace, run, slack, wait_until, write
from pages import get
from kubeapi import CIDRS, CONFIGMAPS, DNS, OPENSHIFT, Api, data, dns_service, kubeadm, service_cidr
from pki import Identity

SECRET = 'token-that-nobody-may-see'
FAULTS = ('401', '403', '404', '410', '429', '500', 'empty', 'cut', 'html', 'wrong', 'huge')


@functools.cache
def dns():
    """A net of loopback addresses and the port at which all tenth ones answer for a cluster."""
    nets, port = [loopback_net() for _ in range(3)], free_port()
    zone = ['cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5',
            'cluster.local. 30 IN NS ns.dns.cluster.local.', 'ns.dns.cluster.local. 30 IN A 192.0.2.9',
            'dns-version.cluster.local. 30 IN TXT "1.1.0"', 'kubernetes.default.svc.cluster.local. 5 IN A 192.0.2.1']
    peers.Nsd({'cluster.local': '\n'.join(zone) + '\n'}, [f'{net}.{last}' for net in nets for last in (10, 77)], port)
    return nets, port


def config(clusters, users=None, current=None):
    return write(os.path.join(folder('kubeconfig'), 'config'), kubeapi.kubeconfig(clusters, users or {}, current))


def start(source, path, options='', **more):
    page = free_port()
    server = isthmus(f'''
    prometheus 127.0.0.1:{page}
    inventory {source} {{
        kubeconfig {path}
        interval 200ms
        port {dns()[1]}
        {options}
    }}
    cache''', **more)
    server.page = page
    server.clusters = lambda: get(page, '/clusters')[1]
    return server


def answers(server, zone):
    return ask(server, f'kubernetes.default.svc.{zone}').data == ['192.0.2.1']


def comes(server, zone):
    wait_until(lambda: answers(server, zone), 10, f'{zone} is served')


def cluster(api, index=0, last=10):
    nets, port = dns()
    api.create(DNS, dns_service(f'{nets[index]}.{last}', port=port))
    api.create(CIDRS, service_cidr('kubernetes', f'{nets[index]}.0/26'))


def test_what_an_api_tells_and_in_which_order_it_is_believed():
    nets, port = dns()
    net = nets[0]
    api = Api(token=SECRET)
    path = config({'kind-a': {'server': api.url}}, {'kind-a': {'token': SECRET}})
    api.create(CONFIGMAPS, kubeadm(f'{net}.0/25', '10.50.0.0/16'))
    server = start('kubernetes:kind-a', path, 'zone a.lan')
    check(answers(server, 'a.lan'), 'kubeadm-config alone: its subnet and the rule')
    check(f'{net}.0/25' in server.clusters() and '10.50.0.0/16' in server.clusters(), 'and its Pod subnet', server.clusters())
    api.create(DNS, dns_service('None', name='coredns-metrics'))
    api.create(DNS, dns_service(f'{net}.77', name='rke2-coredns-rke2-coredns', port=port))
    status = server.clusters
    wait_until(lambda: f'{net}.77' in status(), 10, 'the DNS Service by its label')
    api.create(DNS, dns_service(f'{net}.10', port=port))
    wait_until(lambda: f'{net}.10' in status() and f'{net}.77' not in status(), 10, 'the DNS Service by its name')
    api.create(CIDRS, service_cidr('kubernetes', f'{net}.0/26'))
    api.create(CIDRS, service_cidr('more', f'{net}.128/26', ready='False'))
    wait_until(lambda: f'{net}.0/26' in status(), 10, 'ServiceCIDRs')
    check(f'{net}.128/26' not in status(), 'but none that is not ready')
    api.change(f'{CIDRS}/more', service_cidr('more', f'{net}.128/26'))
    wait_until(lambda: f'{net}.128/26' in status(), 10, 'one more')
    api.delete(f'{DNS}/kube-dns')
    api.delete(f'{DNS}/rke2-coredns-rke2-coredns')
    count = api.asks('labelSelector')
    look(api)
    wait_until(lambda: api.asks('labelSelector') > count, 10, 'looks without a DNS Service')
    wait_until(lambda: len(api.live()) > 2, 10, 'and watches on')
    check(answers(server, 'a.lan') and f'{net}.10' in status(), 'what is not found any more stays')
    check(SECRET not in server.log() and SECRET not in status(), 'the token is in no log and no status')
    argv = open(f'/proc/{server.popen.pid}/cmdline', encoding='utf-8').read()
    check(SECRET not in argv, 'nor in the list of processes')


def look(api):
    """Lists are wanted of all that is watched."""
    api.tell({'type': 'ERROR', 'object': {'code': 410, 'reason': 'Expired'}})


def test_no_failure_takes_a_name_away():
    api = Api(token=SECRET)
    path = config({'a': {'server': api.url}}, {'a': {'token': SECRET}})
    cluster(api)
    api.create(CONFIGMAPS, kubeadm('10.96.0.0/16', '10.50.0.0/16'))
    server = start('kubernetes:', path, 'zone a.lan')
    check(answers(server, 'a.lan'), 'the current context')
    lost = 0
    for fault in FAULTS:
        wait_until(lambda: len(api.live()) > 2, 20, 'the watches')
        api.fault = fault
        count = len(api.asked)
        look(api)
        wait_until(lambda count=count: len(api.asked) > count + (1 if fault in ('huge', '429') else 2), 20, f'looks with {fault}')
        lost += not answers(server, 'a.lan')
        api.fault = None
        wait_until(lambda: len(api.live()) > 2, 20, f'the watches after {fault}')
        lost += not answers(server, 'a.lan')
    equal(lost, 0, f'known names lost over {len(FAULTS)} faults')
    api.forbidden = ('servicecidrs',)
    look(api)
    wait_until(lambda: 'not allowed to read /apis/networking.k8s.io/v1/servicecidrs' in server.log(), 20, 'what is not allowed is said')
    check(f'{dns()[0][0]}.0/26' in server.clusters(), 'and what was known of it stays')
    api.forbidden, api.fault = (), 'slow'
    count = len(api.asked)
    look(api)
    wait_until(lambda: len(api.asked) > count, 10, 'an API that hangs')
    check(answers(server, 'a.lan'), 'it goes on')
    began = time.monotonic()
    server.stop()
    check(time.monotonic() - began < 4 * slack(), 'and ends at once')
    check(SECRET not in server.log(), 'the token is in no log')


def test_a_list_without_end_is_none():
    api = Api()
    cluster(api)
    server = start('kubernetes:', config({'a': {'server': api.url}}), 'zone a.lan')
    for fault, why in (('same page', 'it goes on with the same token'), ('new pages', 'it has too many pages')):
        wait_until(lambda: len(api.live()) > 2, 20, 'the watches')
        api.fault = fault
        look(api)
        wait_until(lambda why=why: f'does not end: {why}' in server.log(), 60, fault)
        api.fault = None
        check(answers(server, 'a.lan'), f'{fault}: what was known stays')


def test_a_change_is_there_soon():
    api = Api()
    path = config({'a': {'server': api.url}})
    cluster(api)
    server = start('kubernetes:a', path, 'zone a.lan\n domain x.example')
    nets, port = dns()
    times = []
    check(not answers(server, 'a.lan'), 'another domain')
    for n in range(10):
        api.change(f'{CIDRS}/kubernetes', service_cidr('kubernetes', f'{nets[0]}.0/{26 - n % 2}'))
        began = time.monotonic()
        wait_until(lambda n=n: f'{nets[0]}.0/{26 - n % 2}' in server.clusters(), 10, 'the change')
        times.append((time.monotonic() - began) * 1000)
    times.sort()
    print(f'    kubernetes: change to map p50 {times[len(times) // 2]:.0f} ms, worst {times[-1]:.0f} ms of {len(times)}')


def test_all_contexts_and_who_is_who():
    one, two = Api(), Api()
    cluster(one, 0)
    cluster(two, 1)
    clusters = {'kind-a': {'server': one.url}, 'admin@kind-a': {'server': one.url}, 'arn:aws:eks:x:1:cluster/b': {'server': two.url + '/'}}
    path = config(clusters)
    server = start('kubernetes:*', path, 'zone {name}.k8s.lan')
    comes(server, 'kind-a.k8s.lan')
    comes(server, 'b.k8s.lan')
    check('the same cluster as context kind-a' in server.log(), 'two contexts of one cluster', server.log())
    del clusters['arn:aws:eks:x:1:cluster/b']
    write(path, kubeapi.kubeconfig(clusters, {}))
    wait_until(lambda: not answers(server, 'b.k8s.lan'), 10, 'a context that is gone takes its cluster along')
    check(answers(server, 'kind-a.k8s.lan'), 'the other stays')
    os.truncate(path, 0)
    wait_until(lambda: 'empty: expected YAML' in server.log(), 10, 'an empty kubeconfig')
    check(answers(server, 'kind-a.k8s.lan'), 'takes nothing away')


def test_what_openshift_has():
    nets, port = dns()
    api = Api()
    path = config({'a': {'server': api.url}})
    api.create(CIDRS, service_cidr('kubernetes', f'{nets[0]}.0/26'))
    server = start('kubernetes:a', path, 'zone a.lan')
    wait_until(lambda: f'{nets[0]}.0/26' in server.clusters(), 10, 'a cluster without a DNS Service')
    server.stop()
    api.create(OPENSHIFT, {'metadata': {'name': 'other'}, 'status': {'clusterIP': f'{nets[0]}.78'}})
    api.create(OPENSHIFT, {'metadata': {'name': 'default', 'uid': 'o'}, 'status': {'clusterIP': f'{nets[0]}.77', 'clusterDomain': 'apps.example'}})
    server = start('kubernetes:a', path, 'zone a.lan')
    told = server.clusters()
    check(f'{nets[0]}.77:53' in told and '"domain":"apps.example"' in told, 'its address and its domain', told)
    api.change(f'{OPENSHIFT}/default', {'status': {'clusterIP': f'{nets[0]}.10', 'clusterDomain': 'cluster.local'}})
    wait_until(lambda: f'{nets[0]}.10:53' in server.clusters() and 'apps.example' not in server.clusters(), 10, 'a change of it')
    api.create(DNS, dns_service(f'{nets[0]}.79', port=port))
    wait_until(lambda: f'{nets[0]}.79' in server.clusters(), 10, 'a DNS Service comes before it')
    api.delete(f'{DNS}/kube-dns')
    wait_until(lambda: f'{nets[0]}.10:53' in server.clusters(), 10, 'and goes')


def test_the_dns_that_the_corefile_says():
    nets, port = dns()
    api = Api()
    path = config({'a': {'server': api.url}})
    server = start('kubernetes:a', path, f'zone a.lan\n dns {nets[0]}.10:{port}')
    check(answers(server, 'a.lan'), 'a cluster whose API tells nothing')
    cluster(api, last=99)
    wait_until(lambda: f'{nets[0]}.0/26' in server.clusters(), 10, 'its subnets')
    told = server.clusters()
    check(f'{nets[0]}.10:{port}' in told and f'{nets[0]}.99' not in told, 'what the Corefile says comes first', told)
    corefile = write(f'{folder("many")}/Corefile', f'. {{\n inventory kubernetes:* {{\n  dns 10.0.0.1\n }}\n}}\n')
    status, out, err = run([ISTHMUS, 'check', '--offline', '--conf', corefile])
    check(status != 0 and "'dns 10.0.0.1' would be the DNS of every cluster" in out + err, 'one DNS for many is an error', out + err)


def test_through_a_proxy():
    authority = Identity('proxied-ca')
    api, proxy = Api(identity=Identity('proxied', authority, names='IP:127.0.0.1')), kubeapi.proxy()
    cluster(api)
    server = start('kubernetes:a', config({'a': {'server': api.url, 'proxy-url': proxy.url, 'certificate-authority-data': data(authority.cert)}}),
                   'zone a.lan')
    check(answers(server, 'a.lan'), 'the API is asked')
    equal(set(proxy.asked), {f'127.0.0.1:{api.port}'}, 'through the proxy, and nowhere else')
    nets, _ = dns()
    api.change(f'{CIDRS}/kubernetes', service_cidr('kubernetes', f'{nets[0]}.0/27'))
    wait_until(lambda: f'{nets[0]}.0/27' in server.clusters(), 10, 'the watch goes through it, too')
    server.stop()
    server = start('kubernetes:a', config({'a': {'server': api.url, 'proxy-url': 'http://127.0.0.1:1', 'certificate-authority-data': data(authority.cert)}}),
                   'zone a.lan')
    check(not answers(server, 'a.lan') and '127.0.0.1 port 1' in server.log() or 'connect to' in server.log(), 'without the proxy there is no way', server.log()[-600:])


def test_an_api_that_hangs_holds_up_no_other():
    hanging, one, two = Api(), Api(), Api()
    hanging.fault = 'slow'
    cluster(one, 0)
    cluster(two, 1)
    path = config({'hanging': {'server': hanging.url}, 'kind-a': {'server': one.url}, 'nowhere': {'server': 'http://127.0.0.1:1'},
                   'kind-b': {'server': two.url}})
    server = start('kubernetes:*', path, 'zone {name}.lan')
    check(answers(server, 'kind-a.lan') and answers(server, 'kind-b.lan'), 'the others are there at the start')
    nets, _ = dns()
    two.change(f'{CIDRS}/kubernetes', service_cidr('kubernetes', f'{nets[1]}.0/27'))
    wait_until(lambda: f'{nets[1]}.0/27' in server.clusters(), 10, 'a change of one of them')
    equal(hanging.asks(), 1, 'while the first has not answered yet')
    cluster(hanging, 2)
    hanging.fault = None
    hanging.hold.set()
    wait_until(lambda: answers(server, 'hanging.lan'), 20, 'the first, once it answers')


def test_who_may_not_watch_or_list_asks_again():
    nets, _ = dns()
    for forbidden, words in ((('watch=true',), 'who may list'), (('limit=',), 'who may read')):
        api = Api()
        cluster(api)
        api.create(CONFIGMAPS, kubeadm('10.96.0.0/16', '10.50.0.0/16'))
        api.forbidden = forbidden
        server = start('kubernetes:a', config({'a': {'server': api.url}}), 'zone a.lan')
        check(answers(server, 'a.lan'), words)
        api.change(f'{CONFIGMAPS}/kubeadm-config', kubeadm('10.96.0.0/16', '10.51.0.0/16'))
        wait_until(lambda: '10.51.0.0/16' in server.clusters(), 10, f'{words} is told of a change')
        server.stop()


def test_what_an_api_does_not_have_is_not_asked_for_again():
    nets, port = dns()
    api = Api()
    api.absent = ('servicecidrs',)
    api.forbidden = ('watch=true',)
    api.create(DNS, dns_service(f'{nets[0]}.10', port=port))
    server = start('kubernetes:a', config({'a': {'server': api.url}}), 'zone a.lan')
    check(answers(server, 'a.lan'), 'a cluster without ServiceCIDRs')
    wait_until(lambda: api.asks('kube-dns') > 10, 20, 'many looks at its DNS Service')
    equal([path.split('?')[0] for path, _ in api.asked if 'servicecidrs' in path],
          [CIDRS, CIDRS.replace('/v1/', '/v1beta1/')], 'and one at what it has not')


def test_certificates_programs_and_token_files():
    authority = Identity('kube-ca')
    identity = Identity('api', authority, names='DNS:kubernetes')
    client = Identity('admin', authority, usage='clientAuth')
    api = Api(identity=identity, clients=authority)
    cluster(api)
    by_cert = {'server': api.url, 'tls-server-name': 'kubernetes', 'certificate-authority-data': data(authority.cert)}
    keys = {'client-certificate-data': data(client.cert), 'client-key-data': data(client.key)}
    server = start('kubernetes:a', config({'a': by_cert}, {'a': keys}), 'zone a.lan')
    check(answers(server, 'a.lan'), 'client certificates, and a server by another name')
    equal(api.asked[0][1], f'127.0.0.1:{api.port}', 'Host is that of the URL')
    server.stop()
    server = start('kubernetes:a', config({'a': {**by_cert, 'tls-server-name': 'other'}}, {'a': keys}), 'zone a.lan')
    check('subject name' in server.log() or 'SSL' in server.log(), 'another name is not believed', server.log()[-600:])
    server.stop()
    server = start('kubernetes:a', config({'a': {'server': api.url, 'insecure-skip-tls-verify': True}}, {'a': keys}), 'zone a.lan')
    check('needs the option `insecure`' in server.log(), 'no verification only when the Corefile says so', server.log()[-600:])
    server.stop()
    server = start('kubernetes:a', config({'a': {'server': api.url, 'insecure-skip-tls-verify': True}}, {'a': keys}), 'zone a.lan\n insecure')
    check(answers(server, 'a.lan') and 'insecure: whoever' in server.log(), 'and then it is said')
    server.stop()
    api = Api(token=SECRET)
    cluster(api)
    home = folder('exec')
    program = write(os.path.join(home, 'login'), f'''#!/bin/sh
echo "$KUBERNETES_EXEC_INFO $WHO $1" >>{home}/told
echo "{{\\"kind\\":\\"ExecCredential\\",\\"status\\":{{\\"token\\":\\"$(cat {home}/token)\\"}}}}"
''')
    os.chmod(program, 0o755)
    token = write(os.path.join(home, 'token'), SECRET)
    users = {'a': {'exec': {'apiVersion': 'client.authentication.k8s.io/v1', 'command': program, 'args': ['get-token'],
                            'env': [{'name': 'WHO', 'value': 'me'}]}}}
    path = config({'a': {'server': api.url}}, users)
    server = start('kubernetes:a', path, 'zone a.lan')
    check('needs the option `exec`' in server.log() and not os.path.exists(f'{home}/told'), 'no program runs unasked', server.log()[-600:])
    server.stop()
    server = start('kubernetes:a', path, 'zone a.lan\n exec')
    check(answers(server, 'a.lan'), 'a program that knows the token')
    told = open(f'{home}/told', encoding='utf-8').read()
    check('"kind":"ExecCredential"' in told and told.endswith('me get-token\n'), 'what it is told', told)
    equal(told.count('\n'), 1, 'it runs once')
    wait_until(api.live, 10, 'the watches')
    api.token = 'another'
    write(token, 'another')
    api.end_watches()
    wait_until(lambda: open(f'{home}/told', encoding='utf-8').read().count('\n') > 1, 10, 'when the token is not accepted it runs again')
    server.stop()
    check(SECRET not in server.log(), 'the token is in no log')
    write(program, f'#!/bin/sh\ntouch {home}/ran\nexec sleep 1000 >&-\n')
    server = start('kubernetes:a', path, 'zone a.lan\n exec')
    wait_until(lambda: os.path.exists(f'{home}/ran'), 10, 'a program that closes its output and goes on')
    server.stop()  # whoever waited for it would not end
    server = start('kubernetes:a', path, f'zone a.lan\n token_file {token}')
    check(answers(server, 'a.lan'), 'a token file instead of the program')
    wait_until(api.live, 10, 'the watches')
    write(token, 'third')
    api.token = 'third'
    count = len(api.asked)
    look(api)
    wait_until(lambda: len(api.asked) > count + 4, 10, 'looks with the new token')
    check('401' not in server.log(), 'a token that was changed is read again', server.log()[-600:])


def test_in_a_pod_and_the_last_known_map():
    authority = Identity('pod-ca')
    api = Api(token=SECRET, identity=Identity('pod-api', authority, names='IP:127.0.0.1'))
    cluster(api)
    home = folder('account')
    token = write(os.path.join(home, 'token'), SECRET + '\n')
    env = {'KUBERNETES_SERVICE_HOST': '127.0.0.1', 'KUBERNETES_SERVICE_PORT': str(api.port)}
    options = f'zone pod.lan\n token_file {token}\n tls {authority.cert}\n state {home}'
    server = start('kubernetes:in-cluster', '/nowhere', options, env=env)
    check(answers(server, 'pod.lan'), 'a service account')
    server.stop()
    kept = [open(os.path.join(home, f), encoding='utf-8').read() for f in os.listdir(home) if f.startswith('inventory-')]
    check(len(kept) == 1 and SECRET not in kept[0] and dns()[0][0] in kept[0], 'the last known map', kept)
    api.fault = '500'
    server = start('kubernetes:in-cluster', '/nowhere', options, env=env)
    check(answers(server, 'pod.lan'), 'is served while the API is down')
    check('"stale":true' in server.clusters(), 'and said to be stale', server.clusters())


@namespace('10.101.0.10', '10.101.0.1')
def test_discover_by_a_kubeconfig():
    subprocess.run(['ip', 'route', 'add', 'unreachable', '10.100.0.0/16'], check=True)
    here = world.Cluster('b', '10.101.0.0/19', '10.51.0.0/16')
    peers.Nsd(here.zones(), ['10.101.0.10'], 53)
    one, two, third = Api(), Api(), Api()
    for api, services, dns_address, node in ((one, '10.100.0.0/19', '10.100.0.10', '172.18.0.3'), (two, '10.101.0.0/19', '10.101.0.10', '172.18.0.2'),
                                             (third, '10.100.0.0/19', '10.100.0.11', '172.18.0.4')):
        api.create(DNS, dns_service(dns_address))
        api.create(CIDRS, service_cidr('kubernetes', services))
        api.create('/api/v1/nodes', {'metadata': {'name': 'n'}, 'status': {'addresses': [{'type': 'InternalIP', 'address': node}]}})
    one.create(CONFIGMAPS, kubeadm('10.100.0.0/19', '10.50.0.0/16'))
    clusters = {'kind-a': {'server': one.url}, 'kind-b': {'server': two.url}}
    path = config({**clusters, 'again': {'server': two.url}})
    status, out, err = run([ISTHMUS, 'discover', '--kubeconfig', path, '--parent', 'k8s.lan'], timeout_s=60)
    equal((status, err), (0, ''), 'status')
    equal(out.splitlines(), ['kind-a  zone kind-a.k8s.lan  domain cluster.local  services 10.100.0.0/19  dns 10.100.0.10  (Service kube-dns)  NOT ROUTED',
                             '        sudo ip route add 10.100.0.0/19 via 172.18.0.3',
                             'kind-b  zone kind-b.k8s.lan  domain cluster.local  services 10.101.0.0/19  dns 10.101.0.10  (Service kube-dns)  ok',
                             'again  the same cluster as kind-b'], 'what is told')
    status, out, err = run([ISTHMUS, 'discover', '--kubeconfig', path, '--context', 'kind-b', '--json'], timeout_s=60)
    equal((status, json.loads(out)['clusters']), (0, [{'name': 'kind-b', 'zones': ['kind-b.lan'], 'domain': 'cluster.local', 'services': ['10.101.0.0/19'],
                                                      'dns': ['10.101.0.10:53']}]), 'as an inventory')
    place = f'{folder("out")}/clusters.d'
    write_out = [ISTHMUS, 'discover', '--kubeconfig', path, '--parent', 'lan', '--out', place]
    status, out, err = run(write_out, timeout_s=60)
    equal((status, sorted(os.listdir(place)), err), (0, ['kind-a.json', 'kind-b.json'], f'{place}: 2 files written, 0 were there\n'), 'files of an inventory')
    equal(run(write_out, timeout_s=60)[2], f'{place}: 0 files written, 2 were there\n', 'which are not written twice')
    server = isthmus(f' inventory {place}')
    equal(ask(server, 'kubernetes.default.svc.kind-b.lan').data, ['10.101.0.1'], 'and are served')
    write(f'{place}/kind-b.json', '{"name": "kind-b", "zone": "other.lan", "dns": ["10.101.0.10"]}')
    status, out, err = run(write_out, timeout_s=60)
    check(status == 1 and 'kind-b.json is there and says something else' in err and 'nothing is written' in err, 'what others wrote stays', err)
    wait_until(lambda: ask(server, 'kubernetes.default.svc.other.lan').data == ['10.101.0.1'], 10, 'what others wrote')
    equal(run([*write_out, '--force'], timeout_s=60)[0], 0, 'unless it is replaced by force')
    wait_until(lambda: ask(server, 'kubernetes.default.svc.kind-b.lan').data == ['10.101.0.1'], 10, 'the file of before')
    path = config({**clusters, 'kind-c': {'server': third.url}, 'gone': {'server': 'http://127.0.0.1:1'}})
    status, out, err = run([ISTHMUS, 'discover', '--kubeconfig', path, '--out', place], timeout_s=60)
    check(status == 2 and not os.path.exists(f'{place}/kind-c.json'), 'an overlap writes nothing', err)
    status, out, err = run([ISTHMUS, 'discover', '--kubeconfig', path], timeout_s=60)
    equal(status, 2, 'an overlap')
    check('kind-a and kind-c both use Services 10.100.0.0/19: routes cannot tell them apart. Recreate one' in err, 'is explained', err)
    check('gone  NOT FOUND' in out, 'a context that cannot be asked', out)
    status, out, err = run([ISTHMUS, 'discover', '--kubeconfig', '/nowhere'], timeout_s=60)
    check(status == 1 and '/nowhere' in err, 'no such kubeconfig', err)


if __name__ == '__main__':
    from harness import main
    main()
