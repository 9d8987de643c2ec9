#!/usr/bin/env python3
# e2e: quick
"""Reverse names: the longest subnet decides which cluster is asked, whatever its prefix length,
IPv4 and IPv6; answers come back in that cluster's first zone; nothing inside a known subnet ever
reaches the normal upstream (rows V1-V5).

Every cluster and the normal upstream are scripted servers that count, so that `asked here and
nowhere else` is checked for each address; two tests go to real ones.
"""
import functools
import ipaddress

import badup
import harness
import peers
import wire
import world
from harness import ask, check, equal, free_port, isthmus, loopback_net

# Cluster -> (zone, Service subnets, Pod subnets). Pods may lie inside another's range.
SUBNETS = {
    'wide': ('wide.lan', '10.96.0.0/13 fd00:a::/108', '172.16.0.0/12'),
    'odd': ('odd.lan', '10.104.32.0/19 fd00:b::/112', '172.20.0.0/16 10.97.128.0/17'),
    'tiny': ('tiny.lan', '192.168.7.8/29', '192.168.7.17/32 fd00:c::/64'),
    'pair': ('pair.lan', '10.112.0.0/15', '10.104.40.0/21'),
}
# Address -> who is asked.
OWNERS = (
    ('10.96.0.0', 'wide'), ('10.96.0.1', 'wide'), ('10.103.255.255', 'wide'),  # /13
    ('10.95.255.255', 'up'), ('10.104.0.0', 'up'),
    ('10.104.32.0', 'odd'), ('10.104.31.255', 'up'), ('10.104.39.255', 'odd'),  # /19
    ('10.104.48.0', 'odd'), ('10.104.63.255', 'odd'), ('10.104.64.0', 'up'),
    ('10.104.40.0', 'pair'), ('10.104.47.255', 'pair'),  # Pods /21 inside another's Services /19
    ('10.97.127.255', 'wide'), ('10.97.128.0', 'odd'), ('10.97.255.255', 'odd'), ('10.98.0.0', 'wide'),  # /17 in /13
    ('172.16.0.0', 'wide'), ('172.19.255.255', 'wide'), ('172.20.0.0', 'odd'), ('172.20.255.255', 'odd'),  # /16 in /12
    ('172.21.0.0', 'wide'), ('172.31.255.255', 'wide'), ('172.32.0.0', 'up'), ('172.15.255.255', 'up'),
    ('192.168.7.7', 'up'), ('192.168.7.8', 'tiny'), ('192.168.7.15', 'tiny'), ('192.168.7.16', 'up'),  # /29
    ('192.168.7.17', 'tiny'), ('192.168.7.18', 'up'),  # /32
    ('10.111.255.255', 'up'), ('10.112.0.0', 'pair'), ('10.113.255.255', 'pair'), ('10.114.0.0', 'up'),  # /15
    ('fd00:a::', 'wide'), ('fd00:a::f:ffff', 'wide'), ('fd00:a::10:0', 'up'),  # /108
    ('fd00:b::', 'odd'), ('fd00:b::ffff', 'odd'), ('fd00:b::1:0', 'up'),  # /112
    ('fd00:c::', 'tiny'), ('fd00:c::ffff:ffff:ffff:ffff', 'tiny'), ('fd00:c:0:1::', 'up'),  # /64
    ('8.8.8.8', 'up'), ('2001:db8::1', 'up'), ('0.0.0.0', 'up'), ('255.255.255.255', 'up'),
)


class Bench:
    def __init__(self):
        net, port = loopback_net(), free_port()
        self.dns = {name: badup.Upstream(f'{net}.{10 + i}', port) for i, name in enumerate([*SUBNETS, 'up'])}
        self.dns['up'].domain = 'leaked.example'
        blocks = ''.join(f'''
    cluster {zone} second.{zone} {{
        services {services}
        pods {pods}
        dns {self.dns[name].address}:{port}
    }}''' for name, (zone, services, pods) in SUBNETS.items())
        self.server = isthmus(f'{blocks}\n    forward . {self.dns["up"].address}:{port}')

    def who(self, name, rdtype='PTR', **more):
        """(who was asked, the reply); the name has to arrive as it was asked."""
        for up in self.dns.values():
            up.forget()
        reply = ask(self.server, name, rdtype, **more)
        return [who for who, up in self.dns.items() if up.asked(name)], reply


@functools.cache
def bench():
    return Bench()


def pointer(address):
    return ipaddress.ip_address(address).reverse_pointer


# ---- V1-V5 ----

def test_longest_subnet_owns_the_address():
    for address, owner in OWNERS:
        who, reply = bench().who(pointer(address))
        equal(who, [owner], f'who is asked for {address}')
        zone = 'leaked.example' if owner == 'up' else SUBNETS[owner][0]
        equal(reply.answer, [f'{pointer(address)}. PTR ptr.{zone}.'], f'the name of {address} lies in the right zone')


def test_letter_case_of_a_reverse_name():
    name = pointer('fd00:b::abcd').upper()
    who, reply = bench().who(name)
    equal((who, reply.answer), (['odd'], [f'{name}. PTR ptr.odd.lan.']), 'in capitals')


def test_other_types_go_the_same_way():
    for rdtype in ('A', 'ANY', 'CNAME', 'SOA', 'TXT', 'TYPE65400'):
        who, _ = bench().who(pointer('10.104.48.1'), rdtype)
        equal(who, ['odd'], f'{rdtype} of a reverse name')


def test_names_of_whole_ranges():
    """A name of fewer labels belongs to a cluster when every address under it does."""
    for name, owner in (('50.104.10.in-addr.arpa', 'odd'), ('63.104.10.in-addr.arpa', 'odd'),
                        ('104.10.in-addr.arpa', 'up'), ('31.104.10.in-addr.arpa', 'up'), ('96.10.in-addr.arpa', 'wide'),
                        ('112.10.in-addr.arpa', 'pair'), ('10.in-addr.arpa', 'up'), ('7.168.192.in-addr.arpa', 'up'),
                        ('in-addr.arpa', 'up'), ('ip6.arpa', 'up'), ('arpa', 'up'),
                        ('0.0.0.0.0.0.0.0.c.0.0.0.0.0.d.f.ip6.arpa', 'tiny'), ('0.0.0.0.c.0.0.0.0.0.d.f.ip6.arpa', 'up')):
        who, _ = bench().who(name, 'SOA')
        equal(who, [owner], f'who is asked for {name} SOA')


def test_longer_and_odd_reverse_names():
    for name, owner in (('x.1.48.104.10.in-addr.arpa', 'odd'), ('_tcp.x.1.48.104.10.in-addr.arpa', 'odd'),
                        ('1.48.104.10.in-addr.arpax', 'up'), ('1.48.104.10.xin-addr.arpa', 'up'),
                        ('1.48.104.10.in-addr.arpa.lan', 'up'), ('1.48.104.1000.in-addr.arpa', 'up'),
                        ('1.48.104.0x0a.in-addr.arpa', 'up'), ('g.0.0.0.ip6.arpa', 'up')):
        who, _ = bench().who(name, 'PTR')
        equal(who, [owner], f'who is asked for {name}')


def test_nothing_inside_a_subnet_leaks():
    """Whatever the cluster answers, or does not: the normal upstream sees nothing."""
    for habit in ('nxdomain', 'refused', 'servfail', 'silent', 'garbage', 'tc-closed'):
        bench().dns['tiny'].habit = habit
        for address in ('192.168.7.9', '192.168.7.17', 'fd00:c::5'):
            who, reply = bench().who(pointer(address))
            check('up' not in who, f'{address}: nothing leaks when the cluster is {habit}', who)
            wanted = {'nxdomain': ['NXDOMAIN'], 'refused': ['REFUSED', 'SERVFAIL']}.get(habit, ['SERVFAIL'])
            check(reply.rcode in wanted, f'{address}: rcode when it is {habit}', reply.rcode)
            check('leaked' not in reply.text, f'{address}: no answer from elsewhere', reply.text)
    bench().dns['tiny'].habit = 'good'


# ---- with real servers ----

def test_pointers_of_real_clusters():
    b = world.standard_b()
    dns = peers.Knot(b.zones(), [f'{loopback_net()}.10'], free_port())
    server = isthmus(f'''
    cluster cluster-b.local b.lan {{
        services 10.101.0.0/19 fd00:b::/112
        pods 10.51.0.0/16 fd00:b:1::/64
        dns {dns.address}:{dns.port}
    }}
    forward . {bench().dns["up"].address}:{bench().dns["up"].port}''')
    for address, name in b.pointers:
        want = name.replace('cluster.local', 'cluster-b.local')
        reply = ask(server, pointer(address), 'PTR')
        check(want in reply.data and len(reply.data) == len(set(reply.data)), f'{address} is {want}', reply.data)
    reply = ask(server, pointer('10.101.31.254'), 'PTR')
    equal((reply.rcode, reply.authority), ('NXDOMAIN', [
        'in-addr.arpa. SOA ns.dns.cluster-b.local. hostmaster.cluster-b.local. 1 7200 1800 86400 30']),
        'an address nobody has: the SOA of its zone, names inside it in ours')


def test_several_pointers_and_foreign_ones():
    up = bench().dns['odd']
    owner = wire.name(pointer('172.20.3.3'))
    names = ['a.cluster.local', 'b.web.svc.Cluster.Local', 'node-1.example.com', 'cluster.local', 'xcluster.local']
    up.records[(owner, 12)] = [wire.name(name) for name in names]
    reply = ask(bench().server, pointer('172.20.3.3'), 'PTR')
    want = ['a.odd.lan.', 'b.web.svc.odd.lan.', 'node-1.example.com.', 'odd.lan.', 'xcluster.local.']
    equal(sorted(reply.data), sorted(want), 'each that lies in the domain is renamed')


def test_pass_through_keeps_pointers():
    up = bench().dns['odd']
    server = isthmus(f'''
    cluster cluster.local 10.105.0.0/16 {{
        dns {up.address}:{up.port}
    }}
    cluster other.lan 10.106.0.0/16 {{
        dns {up.address}:{up.port}
    }}''')
    equal(ask(server, pointer('10.105.1.1'), 'PTR').data, ['ptr.cluster.local.'], 'of a cluster that is not renamed')
    equal(ask(server, pointer('10.106.1.1'), 'PTR').data, ['ptr.other.lan.'], 'beside one that is')


def test_reverse_names_need_a_block_that_serves_them():
    up = bench().dns['odd']
    text = f'''    cluster one.lan 10.107.0.0/20 {{
        dns {up.address}:{up.port}
    }}'''
    server = isthmus(text, keys='one.lan')
    check('reverse' in server.log(), 'a block without the reverse zone: a warning', server.log())
    equal(ask(server, pointer('10.107.0.1'), 'PTR').rcode, 'REFUSED', 'and the question is refused')
    server = isthmus(text, keys='one.lan 10.107.0.0/20')
    check('reverse' not in server.log(), 'with the subnet as a key: none', server.log())
    equal(ask(server, pointer('10.107.15.255'), 'PTR').data, ['ptr.one.lan.'], 'and it is answered')
    equal(ask(server, pointer('10.107.16.0'), 'PTR').rcode, 'REFUSED', 'but not what lies behind the subnet')


def test_the_rule_finds_the_tenth_address():
    """On loopback: the DNS of 127.X.Y.0/24 is 127.X.Y.10, with `index 3` it is 127.X.Y.3."""
    net, port = loopback_net(), free_port()
    ten, three = badup.Upstream(f'{net}.10', port), badup.Upstream(f'{net}.3', port)
    server = isthmus(f'''
    cluster ten.lan {net}.0/24 {{
        port {port}
    }}''')
    equal(ask(server, 'app.ten.lan').data, ['192.0.2.7'], 'the 10th')
    equal(len(ten.asked('app.cluster.local')), 1, 'is asked')
    equal(ask(server, f'7.{".".join(reversed(net.split(".")))}.in-addr.arpa', 'PTR').data, ['ptr.ten.lan.'], 'reverse')
    server = isthmus(f'''
    cluster three.lan {{
        services {net}.0/28
        index 3
        port {port}
    }}''')
    ask(server, 'app.three.lan')
    equal(len(three.asked('app.cluster.local')), 1, 'index 3')


@harness.namespace('10.97.0.10', 'fd00:b::a')
def test_first_family_is_asked_first():
    four, six = badup.Upstream('10.97.0.10', 53), badup.Upstream('fd00:b::a', 53)
    for subnets, first, other in (('10.97.0.0/16 fd00:b::/108', four, six), ('fd00:b::/108 10.97.0.0/16', six, four)):
        server = isthmus(f'    cluster b.lan {subnets}')
        four.forget()
        six.forget()
        for i in range(5):
            equal(ask(server, f'x{i}.b.lan').rcode, 'NOERROR', f'{subnets} answers')
        equal((len(first.asked()), len(other.asked())), (5, 0), f'{subnets}: the first family is asked')
        first.habit = 'refused'
        equal(ask(server, 'y.b.lan').rcode, 'NOERROR', f'{subnets}: the other family helps out')
        first.habit = 'good'
        server.stop()


if __name__ == '__main__':
    harness.main()
