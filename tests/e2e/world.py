"""Clusters as their DNS shows them: zone files from one description.

    b = Cluster('cluster-b', services='10.101.0.0/19', pods='10.51.0.0/16')
    b.service('app.web', ['10.101.7.21'], ports=[('http', 'tcp', 80)])
    zones = b.zones()      # {'cluster.local': text, 'in-addr.arpa': text, 'ip6.arpa': text}

Names are made as the Kubernetes DNS specification has them, addresses get their PTR records,
and all of it can be served by any of the servers of peers.py. standard_a() and standard_b()
are the clusters that most tests use.
"""
import ipaddress

TTL = 30
SOA = '{mname} {rname} 1 7200 1800 86400 30'


class Cluster:
    def __init__(self, label, services, pods, domain='cluster.local', services6=None, pods6=None):
        self.label, self.domain = label, domain
        self.services, self.pods = ipaddress.ip_network(services), ipaddress.ip_network(pods)
        self.services6 = ipaddress.ip_network(services6) if services6 else None
        self.pods6 = ipaddress.ip_network(pods6) if pods6 else None
        self.records = []  # (owner under the domain, or absolute; type; RDATA text)
        self.pointers = []  # (address, absolute name)
        self.add('@', 'NS', 'ns.dns')
        self.add('ns.dns', 'A', str(self.services[10]))
        self.add('dns-version', 'TXT', '"1.1.0"')
        self.service('kubernetes.default', [str(self.services[1])], [('https', 'tcp', 443)])
        self.service('kube-dns.kube-system', [str(self.services[10])], [('dns', 'udp', 53)])

    def absolute(self, owner):
        return f'{owner}.{self.domain}.'

    def add(self, owner, rdtype, rdata):
        self.records.append((owner, rdtype, rdata))

    def address(self, owner, address):
        family = 'AAAA' if ':' in address else 'A'
        self.add(owner, family, address)

    def service(self, name, addresses, ports=()):
        """`name` is SERVICE.NAMESPACE: one with ClusterIPs."""
        owner = f'{name}.svc'
        for address in addresses:
            self.address(owner, address)
            self.pointers.append((address, self.absolute(owner)))
        for port, protocol, number in ports:
            self.add(f'_{port}._{protocol}.{owner}', 'SRV', f'0 100 {number} {owner}')

    def headless(self, name, endpoints, ports=()):
        """`endpoints` maps a host name to the addresses of its pod."""
        owner = f'{name}.svc'
        for host, addresses in endpoints.items():
            for address in addresses:
                self.address(owner, address)
                self.address(f'{host}.{owner}', address)
                self.pointers.append((address, self.absolute(f'{host}.{owner}')))
            for port, protocol, number in ports:
                self.add(f'_{port}._{protocol}.{owner}', 'SRV', f'0 50 {number} {host}.{owner}')

    def external(self, name, target):
        """ExternalName; `target` absolute with a final dot, or a name in the cluster."""
        self.add(f'{name}.svc', 'CNAME', target)

    def pod(self, namespace, address):
        dashed = address.replace('.', '-').replace(':', '-')
        self.address(f'{dashed}.{namespace}.pod', address)

    def zones(self):
        """Zone name -> zone file."""
        return {
            self.domain: self._head(self.domain) + lines(self.records),
            'in-addr.arpa': self._reverse('in-addr.arpa', 4),
            'ip6.arpa': self._reverse('ip6.arpa', 6),
        }

    def _head(self, zone):
        soa = SOA.format(mname=f'ns.dns.{self.domain}.', rname=f'hostmaster.{self.domain}.')
        return f'$ORIGIN {zone}.\n$TTL {TTL}\n@ SOA {soa}\n'

    def _reverse(self, zone, version):
        found = [(f'{ipaddress.ip_address(a).reverse_pointer}.', 'PTR', name)
                 for a, name in self.pointers if ipaddress.ip_address(a).version == version]
        return self._head(zone) + lines([('@', 'NS', f'ns.dns.{self.domain}.'), *found])


def lines(records):
    return ''.join(f'{owner} {rdtype} {rdata}\n' for owner, rdtype, rdata in records)


def standard_a(**more):
    """The cluster without IPv6; same names as the other, other addresses."""
    a = Cluster('cluster-a', '10.100.0.0/19', '10.50.0.0/16', **more)
    a.service('app.web', ['10.100.7.21'], [('http', 'tcp', 80)])
    a.service('smtp.mail', ['10.100.9.25'], [('smtp', 'tcp', 25)])
    return a


def standard_b(**more):
    """The cluster most questions go to: dual stack in part, headless, ExternalName both ways."""
    more = {'services6': 'fd00:b::/112', 'pods6': 'fd00:b:1::/64', **more}
    b = Cluster('cluster-b', '10.101.0.0/19', '10.51.0.0/16', **more)
    b.service('app.web', ['10.101.7.21'], [('http', 'tcp', 80)])
    b.service('dual.web', ['10.101.7.22', 'fd00:b::716'], [('http', 'tcp', 80), ('quic', 'udp', 443)])
    endpoints = {'db-0': ['10.51.1.10', 'fd00:b:1::10'], 'db-1': ['10.51.2.11', 'fd00:b:1::11']}
    b.headless('db.web', endpoints, [('pg', 'tcp', 5432)])
    b.external('ext.web', 'www.example.com.')
    b.external('alias.web', 'app.web.svc')
    b.external('toa.web', 'app.web.svc.cluster-a.local.')
    b.pod('web', '10.51.1.10')
    many = {f'n-{i:02}': [f'10.51.9.{i}'] for i in range(1, 41)}
    b.headless('many.web', many, [('pg', 'tcp', 5432)])
    return b


def zone(name, records, soa=None):
    """A plain zone, for upstreams that are no cluster."""
    soa = soa or SOA.format(mname=f'ns.{name}.' if name else 'ns.', rname=f'hostmaster.{name}.' if name else 'h.')
    return f'$ORIGIN {name}.\n$TTL 300\n@ SOA {soa}\n@ NS ns.example.com.\n' + lines(records)


def internet():
    """What the normal upstream of the tests knows."""
    return {
        'example.com': zone('example.com', [
            ('ns', 'A', '192.0.2.53'), ('www', 'A', '192.0.2.80'), ('www', 'AAAA', '2001:db8::80'),
            ('chain', 'CNAME', 'www'), ('big', 'TXT', ' '.join(f'"{i:02}{"x" * 98}"' for i in range(30)))]),
        'xcluster-b.local': zone('xcluster-b.local', [('@', 'A', '192.0.2.99'), ('ns', 'A', '192.0.2.53')]),
        'in-addr.arpa': zone('in-addr.arpa', [
            ('1.32.101.10', 'PTR', 'outside.example.com.'), ('80.2.0.192', 'PTR', 'www.example.com.')]),
    }
