#!/usr/bin/env python3
# e2e: quick tsan
"""Clusters that come and go by themselves: files of JSON that change while they are served (story 9),
what is not believed, the last known map, and the members of a real serf. The clusters are one NSD
that listens at the tenth address of each Service subnet."""
import functools
import json
import os
import re
import threading
import time

import badup
import harness
import peers
from pages import get
from harness import Process, ask, check, equal, folder, free_port, isthmus, loopback_net, need, wait_until, write

CLUSTERS = 'abcdefgh'


@functools.cache
def fleet():
    """The port of the clusters' DNS, and the net of each."""
    nets = {letter: loopback_net() for letter in CLUSTERS}
    port = free_port()
    zone = ['cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5',
            'cluster.local. 30 IN NS ns.dns.cluster.local.', 'ns.dns.cluster.local. 30 IN A 192.0.2.9',
            'dns-version.cluster.local. 30 IN TXT "1.1.0"', 'kubernetes.default.svc.cluster.local. 5 IN A 192.0.2.1']
    peers.Nsd({'cluster.local': '\n'.join(zone) + '\n'}, [f'{net}.10' for net in nets.values()], port)
    return port, nets


def put(place, name, value):
    """As a deployment does it: whole or not at all."""
    text = value if isinstance(value, str) else json.dumps(value, indent=1)
    write(f'{place}/.new', text)
    os.rename(f'{place}/.new', f'{place}/{name}')


def cluster(letter, **more):
    return {'name': f'cluster-{letter}', 'zone': f'cluster-{letter}.local', 'services': [f'{fleet()[1][letter]}.0/24'], **more}


def start(source, options='', **more):
    metrics, control = free_port(), f'{folder("control")}/socket'
    server = isthmus(f'''
    inventory {source} {{
        port {fleet()[0]}
        {options}
    }}
    prometheus 127.0.0.1:{metrics}
    cache''', ('-control', control), **more)
    server.metrics, server.control = metrics, control
    return server


def answers(server, zone):
    return ask(server, f'kubernetes.default.svc.{zone}').data == ['192.0.2.1']


def comes(server, zone, what):
    began = time.monotonic()
    wait_until(lambda: answers(server, zone), 10, what)
    check(time.monotonic() - began < 2 * harness.slack(), f'{what} within 2 s')


def goes(server, zone, what):
    wait_until(lambda: not answers(server, zone), 10, what)


def pages_tell(server, place):
    """The metrics and /clusters, of a directory with a, b, c and a rejected d."""
    numbers = dict(line.rsplit(' ', 1) for line in get(server.metrics, '/metrics')[1].splitlines() if 'isthmus_inventory' in line and line[0] != '#')
    label = f'{{source="{place}"}}'
    for name, want in (('clusters', '3'), ('clusters_held', '4'), ('clusters_rejected', '1'), ('clusters_kept', '0'), ('failing', '0'),
                       ('stale', '0')):
        equal(numbers.get(f'isthmus_inventory_{name}{label}'), want, f'isthmus_inventory_{name}')
    page = json.loads(get(server.metrics, '/clusters')[1])['inventories'][0]
    equal((page['source'], page['clusters'], page['rejected'][0]['name']), (place, 3, 'cluster-d'), '/clusters tells of its sources')


class Load:
    """A client of one cluster, who must notice nothing."""

    def __init__(self, server, zone):
        self.server, self.zone, self.asked, self.lost, self.stop = server, zone, 0, [], threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop.is_set():
            try:
                good = ask(self.server, f'kubernetes.default.svc.{self.zone}').data == ['192.0.2.1']
            except OSError as error:
                good = False
                self.lost.append(repr(error))
            self.asked += 1
            if not good:
                self.lost.append('a wrong answer')

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()


def test_a_cluster_joins_and_another_is_rejected():
    place = folder('clusters.d')
    put(place, 'a.json', cluster('a'))
    put(place, 'b.json', cluster('b'))
    server = start(place)
    check(answers(server, 'cluster-a.local') and answers(server, 'cluster-b.local'), 'what is there at the start is served')
    with Load(server, 'cluster-a.local') as load:
        put(place, 'c.json', cluster('c'))
        comes(server, 'cluster-c.local', 'a file that is new')
        put(place, 'd.json', {**cluster('d'), 'services': [cluster('c')['services'][0].replace('/24', '/25')]})
        wait_until(lambda: 'cluster-d not used' in server.output(), 10, 'the rejection')
        check('lies inside Service subnet' in server.output() and 'c.json:1' in server.output(), 'with the reason', server.output())
        check(answers(server, 'cluster-c.local'), 'the older stays')
        status, out, _ = harness.run([harness.ISTHMUS, 'check', '--offline', '--conf', server.corefile])
        check(status == 1 and re.search('cluster-d +REJECTED  Service subnet', out), '`check` tells it', out)
        pages_tell(server, place)
        put(place, 'd.json', cluster('d'))
        comes(server, 'cluster-d.local', 'the mended one')
        os.unlink(f'{place}/c.json')
        goes(server, 'cluster-c.local', 'its file is gone')
        open(f'{place}/a.json', 'w').close()
        wait_until(lambda: 'a.json:1: empty' in server.output(), 10, 'the error')
        check(answers(server, 'cluster-a.local'), 'a file that was emptied keeps its cluster')
        put(place, 'b.json', {**cluster('b'), 'zone': 'b.lan'})
        comes(server, 'b.lan', 'another zone')
        goes(server, 'cluster-b.local', 'the zone of before')
    equal(load.lost, [], f'of {load.asked} questions to cluster-a none is lost')
    check(load.asked > 20, 'there was a load', load.asked)


def accept(server, source):
    return harness.run([harness.ISTHMUS, 'accept', source, '--control', server.control])


def test_what_is_not_believed():
    place = folder('list')
    path = f'{place}/fleet.json'
    put(place, 'fleet.json', [cluster(letter) for letter in 'abcd'])
    server = start(path)
    for text, words in (('[]', 'lists 0 of 4 clusters'), ('[{"name": "x"', 'no JSON from here on'),
                        ([cluster('a')], 'lists 1 of 4 clusters'), ([cluster('a'), {'name': 'b'}], 'anyOf')):
        put(place, 'fleet.json', text)
        wait_until(lambda words=words: words in server.output(), 10, words)
        check(all(answers(server, f'cluster-{letter}.local') for letter in 'abcd'), f'{words}: all clusters stay')
    put(place, 'fleet.json', [cluster('a')])
    wait_until(lambda: server.output().count('lists 1 of 4 clusters') > 1, 10, 'the short list once more')
    equal(accept(server, 'other.json')[::2], (1, f'isthmus accept: no inventory other.json: there is {path}\n'), 'a source that is none')
    equal(accept(server, 'fleet.json')[:2], (0, f'{path}: 3 clusters that it does not list any more go\n'), 'the short list is accepted')
    goes(server, 'cluster-d.local', 'what it has not')
    check(answers(server, 'cluster-a.local'), 'what it has stays')
    equal(accept(server, path)[::2], (1, f'isthmus accept: nothing of {path} is held: all it serves it lists\n'), 'nothing is left to accept')
    put(place, 'fleet.json', [cluster(letter) for letter in 'abcd'])
    comes(server, 'cluster-d.local', 'it is back')
    put(place, 'fleet.json', [cluster(letter) for letter in 'abe'])
    comes(server, 'cluster-e.local', 'a list that is believed')
    goes(server, 'cluster-d.local', 'what it has not')
    os.unlink(path)
    wait_until(lambda: 'No such file' in server.output(), 10, 'the error')
    check(answers(server, 'cluster-a.local'), 'without its file it goes on')


def test_what_several_blocks_have_is_accepted_once():
    places, control = [folder('shared') for _ in range(2)], f'{folder("control")}/socket'
    for n, place in enumerate(places):
        put(place, 'fleet.json', [{'name': f'x{n}{i}', 'zone': f'x{n}{i}.lan', 'dns': ['127.0.0.1:9']} for i in range(4)])
    block = '{\n    bind 127.0.0.1\n' + ''.join(f'    inventory {place}/fleet.json\n' for place in places) + '}\n'
    server = harness.Isthmus(f'.:@PORT@ {block}.:{free_port()} {block}', ('-control', control))
    server.control = control
    put(places[0], 'fleet.json', [])
    wait_until(lambda: 'lists 0 of 4 clusters' in server.log(), 10, 'the short list')
    status, out, _ = accept(server, 'fleet.json')
    check(status == 0 and ': 4 clusters that it does not list any more go' in out, 'and counted once', out)


def test_a_directory_that_is_emptied():
    place = folder('emptied')
    names = [f'x{i}' for i in range(200)]
    for name in names:
        put(place, f'{name}.json', {'name': name, 'zone': f'{name}.lan', 'dns': ['127.0.0.1:9']})
    server = start(place)
    for name in names:
        os.unlink(f'{place}/{name}.json')
    wait_until(lambda: 'clusters are gone at once' in server.output(), 10, 'the error')
    check('200 of 200 clusters are gone at once' in server.output(), 'is judged whole, not file by file', server.output())
    equal(accept(server, place)[:2], (0, f'{place}: 200 clusters that it does not list any more go\n'), 'and accepted whole')
    goes(server, 'x7.lan', 'a cluster of the directory')


def test_a_reload_keeps_them_and_options_count():
    place = folder('options')
    put(place, 'a.json', {'name': 'a', 'services': cluster('a')['services']})
    server = start(place, 'zone {name}.k8s.lan {name}.lan')
    check(answers(server, 'a.k8s.lan') and answers(server, 'a.lan'), 'zones by the name')
    text = open(server.corefile, encoding='utf-8').read()
    with Load(server, 'a.k8s.lan') as load:
        for n in range(3):
            count = server.output().count('Reloading complete')
            write(server.corefile, text.replace('{name}.lan', f'{{name}}.lan{n}'))
            server.signal(10)
            wait_until(lambda count=count: server.output().count('Reloading complete') > count, 10, 'the reload')
            check(answers(server, f'a.lan{n}'), 'the new zone')
    equal(load.lost, [], f'of {load.asked} questions none is lost over reloads')


def test_the_example_is_read():
    example = f'{os.path.dirname(os.path.abspath(__file__))}/../../examples/inventory.json'
    corefile = write(f'{folder("example")}/Corefile', f'. {{\n inventory {example} {{\n  zone {{name}}.k8s.lan\n }}\n}}\n')
    _, out, _ = harness.run([harness.ISTHMUS, 'check', '--offline', '--conf', corefile])
    check('; 3 clusters, not asked' in out and 'REJECTED' not in out, 'all of examples/inventory.json', out)


def test_the_last_known_map():
    place, state = folder('away'), folder('state')
    put(place, 'a.json', cluster('a'))
    server = start(place, f'state {state}')
    wait_until(lambda: os.listdir(state), 10, 'the map on disk')
    server.stop()
    os.rename(place, place + '.not')
    server = start(place, f'state {state}')
    check(answers(server, 'cluster-a.local'), 'it is served while the source is away')
    check('No such file' in server.output(), 'which is said')
    os.rename(place + '.not', place)
    put(place, 'b.json', cluster('b'))
    comes(server, 'cluster-b.local', 'the source is back')


def test_the_counters_of_a_cluster_that_moved():
    """The servers of the new place are counted by the worker that counted those of the old one."""
    place, net, port = folder('moves'), loopback_net(), free_port()
    ups = [badup.Upstream(f'{net}.{10 + i}', port) for i in range(4)]
    put(place, 'b.json', {'name': 'b', 'zone': 'b.lan', 'dns': [f'{ups[0].address}:{port}']})
    server = isthmus(f'    multisocket 1\n    inventory {place}\n    prometheus 127.0.0.1:{free_port()}')
    for i, up in enumerate(ups):
        put(place, 'b.json', {'name': 'b', 'zone': 'b.lan', 'dns': [f'{up.address}:{port}']})
        wait_until(lambda i=i, up=up: ask(server, f'x{i}.default.svc.b.lan').data == ['192.0.2.7'] and up.asked(), 10, f'place {i}')
    check(server.alive, 'and it lives')


def kept(state):
    return ''.join(open(f'{state}/{name}', encoding='utf-8').read() for name in os.listdir(state))


def test_the_map_that_is_kept_is_the_last():
    """Also of a cluster that moved, while we were off and while we serve."""
    place, state = folder('moved'), folder('state')
    for first, second in (('192.0.2.1', '192.0.2.2'), ('192.0.2.3', '192.0.2.4')):
        put(place, 'b.json', {'name': 'b', 'zone': 'b.lan', 'dns': [first]})
        server = isthmus(f'    inventory {place} {{\n        state {state}\n    }}')
        put(place, 'b.json', {'name': 'b', 'zone': 'b.lan', 'dns': [second]})
        wait_until(lambda: 'b (b.lan) has changed' in server.output(), 20, 'the change')
        server.stop()
        check(second in kept(state), 'moved while we serve', kept(state))
        put(place, 'b.json', {'name': 'b', 'zone': 'b.lan', 'dns': ['192.0.2.9']})
        server = isthmus(f'    inventory {place} {{\n        state {state}\n    }}')
        server.stop()
        check('192.0.2.9' in kept(state), 'moved while we were off', kept(state))


def test_a_domain_that_changed_while_we_were_off():
    place, state, net, port = folder('changed'), folder('state'), loopback_net(), free_port()
    up = badup.Upstream(f'{net}.10', port)
    for domain in ('one.local', 'two.local'):
        put(place, 'b.json', {'name': 'b', 'zone': 'b.lan', 'domain': domain, 'dns': [f'{up.address}:{port}']})
        server = isthmus(f'    inventory {place} {{\n        state {state}\n    }}')
        wait_until(lambda d=domain: ask(server, 'a.b.svc.b.lan').data and up.asked(f'a.b.svc.{d}'), 10, domain)
        wait_until(lambda: os.listdir(state), 10, 'the map on disk')
        server.stop()


def serf(*words):
    return [need('serf'), *words]


def test_members_of_serf():
    place, port, nets = folder('serf'), *fleet()
    rpc, names = [free_port() for _ in 'ab'], 'ab'
    bind = [free_port() for _ in 'ab']
    agents = []
    for i, letter in enumerate(names):
        join = ['-profile', 'local'] + ([] if i == 0 else ['-retry-join', f'127.0.0.1:{bind[0]}', '-retry-interval', '1s'])
        agents.append(Process(serf('agent', '-node', f'gw-{letter}', '-bind', f'127.0.0.1:{bind[i]}', '-rpc-addr',
                                   f'127.0.0.1:{rpc[i]}', '-tag', f'cluster={letter}.k8s.lan', '-tag', f'asn=6500{i}', '-tag',
                                   f'dns={nets[letter]}.10:{port}', *join), f'serf-{letter}'))

    def members():
        out = harness.run(serf('members', '-format=json', f'-rpc-addr=127.0.0.1:{rpc[0]}'))[1]
        return out if out.lstrip().startswith('{') else '{"members": []}'

    wait_until(lambda: members().count('"alive"') == 2, 20, 'two members')
    put(place, 'members.json', members())
    server = start(f'{place}/members.json', 'shrink 100\n        zone {name}')
    check(answers(server, 'a.k8s.lan') and answers(server, 'b.k8s.lan'), 'what the members say is served')
    agents[1].kill()
    wait_until(lambda: '"failed"' in members(), 60, 'one fails')
    put(place, 'members.json', members())
    check(answers(server, 'b.k8s.lan'), 'who has failed is kept')
    harness.run(serf('force-leave', f'-rpc-addr=127.0.0.1:{rpc[0]}', 'gw-b'))
    wait_until(lambda: '"left"' in members(), 20, 'and leaves')
    put(place, 'members.json', members())
    goes(server, 'b.k8s.lan', 'who has left is gone')
    check(answers(server, 'a.k8s.lan'), 'the other stays')


if __name__ == '__main__':
    harness.main()
