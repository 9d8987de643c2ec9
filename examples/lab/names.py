"""The names of a cluster, by the Kubernetes DNS specification 1.1.0, as zone files."""

TTL = 5  # as CoreDNS has it in a cluster
HEAD = '''$ORIGIN {zone}.
$TTL {ttl}
@ SOA ns.dns.{domain}. hostmaster.{domain}. 1 7200 1800 86400 5
@ NS ns.dns.{domain}.
'''


class Zones:
    def __init__(self, domain, dns_address):
        self.domain, self.lines, self.pointers = domain, [], []
        self.add('ns.dns', 'A', dns_address)
        self.add('dns-version', 'TXT', '"1.1.0"')

    def add(self, owner, rdtype, data):
        self.lines.append(f'{owner} {rdtype} {data}')

    def address(self, owner, address):
        self.add(owner, 'A' if address.version == 4 else 'AAAA', address)

    def point(self, address, owner):
        self.pointers.append((address, f'{owner}.{self.domain}.'))

    def service(self, name, addresses, ports):
        """One with ClusterIPs; `name` is SERVICE.NAMESPACE, `ports` are (name, protocol, number)."""
        owner = f'{name}.svc'
        for address in addresses:
            self.address(owner, address)
            self.point(address, owner)
        for port, protocol, number in ports:
            self.add(f'_{port}._{protocol}.{owner}', 'SRV', f'0 100 {number} {owner}')

    def headless(self, name, pods, ports):
        """`pods` is {host name: addresses}."""
        owner = f'{name}.svc'
        for host, addresses in pods.items():
            for address in addresses:
                self.address(owner, address)
                self.address(f'{host}.{owner}', address)
                self.point(address, f'{host}.{owner}')
            for port, protocol, number in ports:
                self.add(f'_{port}._{protocol}.{owner}', 'SRV', f'0 50 {number} {host}.{owner}')

    def external(self, name, target):
        self.add(f'{name}.svc', 'CNAME', target)

    def pod(self, namespace, address):
        dashed = str(address).replace('.', '-').replace(':', '-')
        self.address(f'{dashed}.{namespace}.pod', address)

    def texts(self, subnets):
        """{zone: text}: the domain, and the reverse zones of these subnets."""
        texts = {self.domain: self.head(self.domain) + '\n'.join(self.lines) + '\n'}
        for zone in {z for net in subnets for z in reverse_zones(net)}:
            inside = [f'{a.reverse_pointer}. PTR {name}' for a, name in self.pointers
                      if a.reverse_pointer.endswith(f'.{zone}')]
            texts[zone] = self.head(zone) + '\n'.join(inside) + '\n'
        return texts

    def head(self, zone):
        return HEAD.format(zone=zone, ttl=TTL, domain=self.domain)


def reverse_zones(net):
    """Those that hold a subnet: whole octets of IPv4, here never fewer than two; nibbles of IPv6."""
    if net.version == 6:
        nibbles = net.network_address.exploded.replace(':', '')[:net.prefixlen // 4]
        return ['.'.join(reversed(nibbles)) + '.ip6.arpa']
    nets = [net.supernet(new_prefix=16)] if net.prefixlen > 16 else net.subnets(new_prefix=16)
    return ['.'.join(reversed(str(n.network_address).split('.')[:2])) + '.in-addr.arpa' for n in nets]
