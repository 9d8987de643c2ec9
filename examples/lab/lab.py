#!/usr/bin/env python3
"""The lab: three Kubernetes clusters, shared routes, one resolver, on one machine.

    make lab                    builds it, tells the story a line a step, takes it down
    make lab STAY=1             leaves it up after the story, and says how to enter each place
    make lab COREDNS=path       with CoreDNS as the DNS of cluster-a instead of BIND

README.md has the map and what to look for, story.py the steps. Everything runs in namespaces of
its own (places.py). What each command printed is in build/lab.transcript. Exit status: 0; 1 if a
step was not ok; 77 if no such lab can be built on this machine.
"""
import os
import signal
import sys
import time

import dns_servers
from cluster import Cluster
from network import TITLES, Instance, Site
from places import ROOT, Failed, Place, cables, enter, need, places, wait_until
from story import STEPS, Story

# What cluster-a hands to isthmus: the clusters, the site, and what is backwards in both.
STUB_ZONES = ['cluster-a.local', 'cluster-b.local', 'cluster-c.local', 'lab', '10.in-addr.arpa', 'd.f.ip6.arpa']
# ExternalNames: one into another cluster, one into the own.
EXTERNALS = [('friend.web', 'app.web.svc.cluster-c.local.'), ('alias.web', 'app.web.svc.cluster.local.')]


class Lab:
    """All of it. The fourth cluster comes later, as clusters do."""

    def __init__(self, program, coredns=None):
        self.program = program
        self.dns_of_a = 'CoreDNS' if coredns else 'BIND'
        stub = dns_servers.coredns_with_stub(coredns, STUB_ZONES) if coredns else dns_servers.bind_with_stub(STUB_ZONES)
        self.a = Cluster('cluster-a', 1, ['10.100.0.0/19'], ['10.50.0.0/16'], stub, with_client=True)
        self.b = Cluster('cluster-b', 2, ['10.104.0.0/13'], ['10.51.0.0/16'], dns_servers.Nsd)
        self.c = Cluster('cluster-c', 3, ['10.102.0.0/19', 'fd00:c::/112'], ['10.52.0.0/16', 'fd00:c:52::/48'],
                         dns_servers.Knot)
        self.d = Cluster('cluster-d', 4, ['10.112.0.0/19'], ['10.53.0.0/16'], dns_servers.Nsd, nodes=1)
        self.clusters = [self.a, self.b, self.c]

    def build(self):
        titles = dict(TITLES)
        for cluster in self.clusters:
            titles.update(cluster.titles())
        made = places(titles)
        self.site = Site({place.name: place for place in made})
        self.site.connect()
        self.site.start_router([*self.clusters, self.d])
        self.start_clusters(self.clusters, made)
        self.first, self.second = Instance(self.site.dns1, self.program), Instance(self.site.dns2, self.program)
        self.first.start()
        wait_until(lambda: self.site.knows_way_to_isthmus(), 'isthmus is announced')

    def start_clusters(self, clusters, made):
        """Cables, addresses, programs; they are up when their DNS answers where isthmus looks for it."""
        for cluster in clusters:
            cluster.take_places(made)
        cables(*(cable for cluster in clusters for cable in cluster.cables(self.site.router)))
        for cluster in clusters:
            cluster.connect(self.site.router)
            cluster.start(EXTERNALS)
        for cluster in clusters:
            for node in cluster.nodes:
                node.speaker.wait_for_sessions(len(cluster.nodes) - 1 + len(cluster.node_subnets))
            for address in cluster.kube_dns.addresses:
                wait_until(lambda c=cluster, at=address: self.answers(c, at), f'the DNS of {cluster.label} answers on {address}')

    def answers(self, cluster, address):
        for pod in cluster.dns_pods:
            pod.place.expect('dns')
        words = ['dig', '+short', '+time=1', '+tries=1', f'@{address}', 'dns-version.cluster.local', 'TXT']
        return '1.1.0' in self.site.vm.run(*words)[1]

    def join_fourth(self):
        self.start_clusters([self.d], places(self.d.titles()))
        self.clusters.append(self.d)


def how_to_enter(lab):
    enter = 'nsenter -n -m -p' if open('/proc/self/uid_map').read().split() == ['0', '0', str(2**32 - 1)] else \
        'nsenter -U --preserve-credentials -n -m -p'
    print('\nThe lab stays up until Ctrl-C. A shell in each place, for the user who runs it:\n'
          f'\n  export PATH={ROOT}/build/peers/bin:$PATH')
    for place in Place.all.values():
        print(f'  {enter} -t {place.pid} bash    # {place.name}: {place.title}')
    print(f'\nTry, in vm:      dig app.web.svc.cluster-b.local   curl http://app.web.svc.cluster-c.local'
          f'\n     in router:  ip route show {lab.b.app.addresses[0]}   birdc -s {lab.site.speaker.socket} show route'
          f'\n     in b1:      nft list ruleset\n', flush=True)
    while True:
        signal.pause()


def tell(lab, story):
    """The whole story; True if every step was ok."""
    began = time.monotonic()
    try:
        lab.build()
    except Failed as why:
        story.step('the lab is built', why, False)
        story.keep_logs()
        return False
    story.built(time.monotonic() - began)
    for step in STEPS:
        story.play(step)
    story.summary(time.monotonic() - began)
    return story.failed == 0


def main():
    program = os.path.abspath(os.environ.get('ISTHMUS', f'{ROOT}/build/isthmus'))
    coredns = os.environ.get('COREDNS')
    enter()
    need('nsd', 'knotd', 'bird', 'birdc', 'nft', 'dig', 'curl', 'traceroute', program,
         os.path.abspath(coredns) if coredns else 'named')
    lab = Lab(program, coredns and os.path.abspath(coredns))
    try:
        good = tell(lab, Story(lab))
        if '--stay' in sys.argv:
            how_to_enter(lab)
    except KeyboardInterrupt:
        print('\nInterrupted: everything is taken down.', flush=True)
        sys.exit(130)
    sys.exit(0 if good else 1)


if __name__ == '__main__':
    main()
