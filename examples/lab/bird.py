"""BIRD in the places of the lab: nodes, the router, and the hosts of isthmus speak BGP.

A speaker announces what its file `announced` lists, and nothing it only routes itself: how the
addresses are served is no concern of BGP. Neighbours that fall silent are noticed by BFD in less
than a second, as in a data centre.
"""
import ipaddress
import re

from places import command, read, wait_until, write

COMMON = '''
log "{folder}/bird.log" all;
router id {router_id};
protocol device {{ }}
protocol bfd {{ interface "*" {{ interval 150 ms; multiplier 5; }}; }}
protocol kernel {{ ipv4 {{ export where source = RTS_BGP; }}; merge paths yes; }}
protocol kernel {{ ipv6 {{ export where source = RTS_BGP; }}; merge paths yes; }}
protocol static announced4 {{ {disabled} ipv4;
include "{folder}/announced4";
}}
protocol static announced6 {{ {disabled} ipv6;
include "{folder}/announced6";
}}
template bgp session {{
    local as {number};
    direct; bfd on; hold time 9;
    connect delay time 1; connect retry time 1; error wait time 1, 2; error forget time 2;
    ipv4 {{ import all; next hop self ebgp; {export} }};
    ipv6 {{ import all; next hop self ebgp; {export} }};
}}
'''
# A node tells its own; the router also passes on what it heard, and its own networks.
OWN = 'export where source = RTS_STATIC;'
ALL = 'export where source ~ [RTS_STATIC, RTS_BGP, RTS_DEVICE];'


class Speaker:
    """BIRD in one place. `peers` are addresses with AS numbers; `ranges` are subnets whose hosts
    may come by themselves. `disabled`: it announces nothing until birdc enables `announced4`."""

    def __init__(self, place, number, router_id, peers=(), ranges=(), announced=(), passes_on=False,
                 disabled=False):
        self.place, self.number = place, number
        self.write_announced(announced)
        text = COMMON.format(folder=place.folder, router_id=router_id, number=number,
                             export=ALL if passes_on else OWN, disabled='disabled;' if disabled else '')
        if passes_on:
            text += 'protocol direct { ipv4; ipv6; }\n'
        for i, (address, other) in enumerate(peers):
            text += f'protocol bgp peer{i} from session {{ neighbor {address} as {other}; }}\n'
        for i, subnet in enumerate(ranges):
            text += f'protocol bgp range{i} from session {{ neighbor range {subnet} external; dynamic name "n{i}x"; }}\n'
        config = write(f'{place.folder}/bird.conf', text)
        place.start('bird', 'bird', '-f', '-c', config, '-s', self.socket, '-P', f'{place.folder}/bird.pid')

    @property
    def socket(self):
        return f'{self.place.folder}/bird.ctl'

    def write_announced(self, prefixes):
        self.announced = [ipaddress.ip_network(p) for p in prefixes]
        for version in (4, 6):
            lines = [f'route {p} unreachable;' for p in self.announced if p.version == version]
            write(f'{self.place.folder}/announced{version}', '\n'.join(lines) + '\n')

    def announce(self, prefixes):
        """From now on these and no others."""
        self.write_announced(prefixes)
        self.birdc('configure')

    def birdc(self, *words):
        return command('birdc', '-s', self.socket, *words)

    def established(self):
        """How many sessions are up."""
        self.place.expect('bird')
        if 'Started' not in read(f'{self.place.folder}/bird.log'):
            return 0
        return len(re.findall(r'\bEstablished\b', self.birdc('show', 'protocols')))

    def wait_for_sessions(self, count):
        wait_until(lambda: self.established() >= count, f'BIRD on {self.place.name} has {count} sessions')
