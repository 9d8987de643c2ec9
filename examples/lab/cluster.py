"""A Kubernetes cluster as the network sees it: nodes, pods, Services, and its DNS.

    b = Cluster('cluster-b', 2, services=['10.104.0.0/13'], pods=['10.51.0.0/16'], dns=dns_servers.Nsd)

A Service address belongs to no interface. It is a route to the nodes that hold a ready endpoint,
which BIRD announces, and a rule of nftables there that translates it to a pod, as kube-proxy's
rules do. Calico, Cilium and kube-router announce the same where `externalTrafficPolicy: Local` or
their like is asked for.
"""
import ipaddress
import sys

import names
from bird import Speaker
from places import HERE, write

ROUTER_AS = 64512
GATEWAY, GATEWAY6 = '169.254.1.1', 'fe80::1'  # of every pod, on its node, as with Calico
MANY = 3000  # Services that have a name and an address, and no pods: for questions in number


class Service:
    """`ports` are (name, protocol, number, number in the pod)."""

    def __init__(self, name, addresses, ports, pods):
        self.name, self.ports, self.pods = name, ports, pods
        self.addresses = [ipaddress.ip_address(a) for a in addresses]
        self.unready = set()

    def endpoints(self, version, nodes):
        """Addresses of ready pods on these nodes."""
        return [a for p in self.pods if p.node in nodes and p not in self.unready
                for a in p.addresses if a.version == version]


class Pod:
    def __init__(self, cluster, name, node, host):
        self.cluster, self.name, self.node = cluster, name, node
        self.addresses = [net[host] for net in node.pod_subnets]
        self.place = None

    @property
    def title(self):
        return f'pod {self.name} of {self.cluster.label}, on node {self.node.name}'


class ControlPlane:
    """What the Service `kubernetes` leads to: no pod, but a program of a node. It has one family
    also in dual-stack clusters."""

    def __init__(self, node):
        self.node, self.addresses = node, node.addresses[:1]


class Node:
    def __init__(self, cluster, number):
        self.cluster, self.number = cluster, number
        self.name = f'{cluster.letter}{number}'
        self.addresses = [net[10 + number] for net in cluster.node_subnets]
        self.pod_subnets = [subnet_of_node(net, number) for net in cluster.pods]
        self.place = self.speaker = None

    @property
    def title(self):
        return f'node {self.number} of {self.cluster.label}'


def subnet_of_node(pods, number):
    """The /24 or /64 of one node's pods."""
    return list(pods.subnets(new_prefix=24 if pods.version == 4 else 64))[number]


class Cluster:
    domain = 'cluster.local'  # of each of them: that is the matter

    def __init__(self, label, number, services, pods, dns, nodes=2, with_client=False):
        self.label, self.number, self.letter = label, number, label[-1]
        self.services = [ipaddress.ip_network(s) for s in services]
        self.pods = [ipaddress.ip_network(p) for p in pods]
        self.node_subnets = [ipaddress.ip_network(f'10.{number}.0.0/24')]
        if len(self.services) > 1:
            self.node_subnets.append(ipaddress.ip_network(f'fd00:{number}::/64'))
        self.dns = dns
        self.nodes = [Node(self, i + 1) for i in range(nodes)]
        self.apps = [Pod(self, f'app-{i}', node, 10) for i, node in enumerate(self.nodes)]
        self.dns_pods = [Pod(self, f'dns-{i}', node, 53) for i, node in enumerate(self.nodes)]
        self.clients = [Pod(self, 'client', self.nodes[0], 99)] if with_client else []
        web, dns_ports = [('http', 'tcp', 80, 8080)], [('dns', 'udp', 53, 53), ('dns-tcp', 'tcp', 53, 53)]
        self.app = Service('app.web', [net[0x715] for net in self.services], web, self.apps)
        self.kube_dns = Service('kube-dns.kube-system', [net[10] for net in self.services], dns_ports, self.dns_pods)
        self.api = Service('kubernetes.default', [self.services[0][1]], [('https', 'tcp', 443, 6443)],
                           [ControlPlane(self.nodes[0])])
        self.with_pods = [self.app, self.kube_dns, self.api]

    @property
    def all_pods(self):
        return [*self.apps, *self.dns_pods, *self.clients]

    # ---- names ----

    def zones(self, externals=()):
        """{zone: text} by the Kubernetes DNS specification. `externals` are (name, target)."""
        z = names.Zones(self.domain, str(self.services[0][10]))
        for service in self.with_pods:
            z.service(service.name, service.addresses, [port[:3] for port in service.ports])
        z.headless('peers.web', {p.name: p.addresses for p in self.apps}, [('http', 'tcp', 8080)])
        for name, target in externals:
            z.external(name, target)
        for pod in self.apps:
            for address in pod.addresses:
                z.pod('web', address)
        for i in range(MANY):
            z.service(f'svc-{i:04}.many', [self.services[0][0x800 + i]], [])
        return z.texts(self.services + self.pods)

    # ---- cables ----

    def titles(self):
        titles = {node.name: node.title for node in self.nodes}
        return {**titles, **{f'{p.node.name}-{p.name}': p.title for p in self.all_pods}}

    def take_places(self, made):
        by_name = {place.name: place for place in made}
        for node in self.nodes:
            node.place = by_name[node.name]
        for pod in self.all_pods:
            pod.place = by_name[f'{pod.node.name}-{pod.name}']

    def cables(self, router):
        """One from each node to the cluster's switch in the router, one from each pod to its node."""
        nodes = [(n.place, 'eth0', router, f'to-{n.name}') for n in self.nodes]
        return nodes + [(p.place, 'eth0', p.node.place, p.name) for p in self.all_pods]

    def connect(self, router):
        """Addresses and routes; the switch is a bridge of the router, which is the gateway."""
        bridge = f'net-{self.letter}'
        router.ip(f'link add {bridge} type bridge', *(f'link set to-{n.name} master {bridge}' for n in self.nodes),
                  *(f'addr add {net[1]}/{net.prefixlen} dev {bridge}' for net in self.node_subnets), f'link set {bridge} up')
        for node in self.nodes:
            node.place.router()
            node.place.ip(*(f'addr add {a}/{net.prefixlen} dev eth0' for a, net in zip(node.addresses, self.node_subnets)))
        for pod in self.all_pods:
            self.connect_pod(pod)

    def connect_pod(self, pod):
        """Much as Calico does: a /32 with a gateway of its own, so that the node routes whatever
        leaves or reaches a pod, and translates it."""
        pod.node.place.ip(f'addr add {GATEWAY}/32 dev {pod.name} scope link', f'addr add {GATEWAY6}/64 dev {pod.name} nodad',
                          *(f'route add {a}/{a.max_prefixlen} dev {pod.name} src {source}'
                            for a, source in zip(pod.addresses, pod.node.addresses)))
        lines = [f'addr add {pod.addresses[0]}/32 dev eth0', f'route add {GATEWAY} dev eth0 scope link',
                 f'route add default via {GATEWAY}']
        if len(pod.addresses) > 1:
            lines += [f'addr add {pod.addresses[1]}/128 dev eth0 nodad', f'route add default via {GATEWAY6} dev eth0']
        pod.place.ip(*lines)

    # ---- programs ----

    def start(self, externals=()):
        self.texts = self.zones(externals)
        self.start_dns()
        for pod in self.apps:
            text = f'{self.label} {pod.name} (on node {pod.node.name})'
            pod.place.start('web', sys.executable, '-SE', f'{HERE}/web.py', '8080', text)
        self.nodes[0].place.start('api', sys.executable, '-SE', f'{HERE}/web.py', '6443', f'API of {self.label}')
        for pod in self.clients:
            pod.place.resolver(self.services[0][10], 'search web.svc.cluster.local svc.cluster.local cluster.local',
                               'options ndots:5')
        for node in self.nodes:
            self.translate(node)
            others = [(n.addresses[0], self.as_number) for n in self.nodes if n is not node]
            peers = [(net[1], ROUTER_AS) for net in self.node_subnets] + others
            node.speaker = Speaker(node.place, self.as_number, node.addresses[0], peers, announced=self.announced_by(node))

    def start_dns(self):
        for pod in self.dns_pods:
            self.dns(pod.place, self.texts)

    @property
    def as_number(self):
        return 64600 + self.number

    def announced_by(self, node):
        """Its pods, and each Service address that has a ready pod there."""
        addresses = [a for s in self.with_pods for a in s.addresses if s.endpoints(a.version, [node])]
        return [*node.pod_subnets, *addresses]

    def set_ready(self, service, pod, ready):
        """What kubelet and kube-proxy do when a readiness probe changes its mind."""
        (service.unready.discard if ready else service.unready.add)(pod)
        for node in self.nodes:
            self.translate(node)
        pod.node.speaker.announce(self.announced_by(pod.node))

    # ---- kube-proxy ----

    def translate(self, node):
        """Loads the rules of one node anew, in one transaction."""
        entries, chains = {4: [], 6: []}, []
        for service in self.with_pods:
            for address in service.addresses:
                for port in service.ports:
                    name = f'{service.name}-{port[0]}-{address.version}'.replace('.', '-')
                    entries[address.version].append(f'{address} . {port[1]} . {port[2]} : goto {name}')
                    chains.append(self.chain_of_service(name, service, node, address.version, port))
        text = RULES.format(chains='\n'.join(chains), v4=', '.join(entries[4]),
                            v6=f'ip6 daddr . meta l4proto . th dport vmap {{ {", ".join(entries[6])} }}' if entries[6] else '')
        node.place.must('nft', '-f', write(f'{node.place.folder}/kube-proxy.nft', text))

    def chain_of_service(self, name, service, node, version, port):
        """From outside to the pods of this node, as it would not be here for others; from pods of
        the node to any."""
        here = balance(service.endpoints(version, [node]), version, port)
        anywhere = balance(service.endpoints(version, self.nodes), version, port)
        return f'    chain {name} {{\n        iifname "eth0" {here}\n        {anywhere}\n    }}'


RULES = '''table inet kube-proxy
delete table inet kube-proxy
table inet kube-proxy {{
{chains}
    chain services {{
        ip daddr . meta l4proto . th dport vmap {{ {v4} }}
        {v6}
    }}
    chain prerouting {{ type nat hook prerouting priority dstnat; jump services; }}
    chain output {{ type nat hook output priority -100; jump services; }}
}}
'''


def balance(addresses, version, port):
    """A rule that translates to one of them, at random."""
    if not addresses:
        return 'drop'
    family, (_, protocol, _, target) = 'ip' if version == 4 else 'ip6', port
    choice = ', '.join(f'{i} : {a} . {target}' for i, a in enumerate(addresses))
    return f'meta l4proto {protocol} dnat {family} addr . port to numgen random mod {len(addresses)} map {{ {choice} }}'
