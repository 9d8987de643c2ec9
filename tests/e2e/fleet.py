"""Clusters a to e for the tests of inventories: one NSD is the DNS of all, each has a name that it answers, and
NAME.k8s.lan is the zone of each."""
import functools
import time

import peers
from harness import ask, free_port, isthmus, loopback_net, wait_until
from pages import get


@functools.cache
def dns():
    """The network of each, and the port of all."""
    nets, port = {letter: loopback_net() for letter in 'abcde'}, free_port()
    zone = ['cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5',
            'cluster.local. 30 IN NS ns.dns.cluster.local.', 'ns.dns.cluster.local. 30 IN A 192.0.2.9',
            'dns-version.cluster.local. 30 IN TXT "1.1.0"', 'kubernetes.default.svc.cluster.local. 5 IN A 192.0.2.1']
    peers.Nsd({'cluster.local': '\n'.join(zone) + '\n'}, [f'{net}.10' for net in nets.values()], port)
    return nets, port


def services(letter, bits=26):
    """Its Service subnet, whose tenth address is its DNS."""
    return f'{dns()[0][letter]}.0/{bits}'


def serve(source, options):
    """isthmus with them from that source; `clusters()` is its page."""
    page = free_port()
    server = isthmus(f'''
    prometheus 127.0.0.1:{page}
    inventory {source} {{
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
    wait_until(lambda: answers(server, letter), 10, f'{letter} is served')


def goes(server, letter):
    wait_until(lambda: not answers(server, letter), 10, f'{letter} is gone')


def measure_changes(server, letter, n, change):
    """Tells how long it takes from change(bits), which gives the cluster that subnet, until it is in the map."""
    times = []
    for i in range(n):
        change(27 - i % 2)
        began = time.monotonic()
        wait_until(lambda i=i: services(letter, 27 - i % 2) in server.clusters(), 10, 'the change')
        times.append((time.monotonic() - began) * 1000)
    times.sort()
    print(f'    change to map p50 {times[len(times) // 2]:.0f} ms, worst {times[-1]:.0f} ms of {len(times)}')
