"""Everything around the clusters: the router, the network of the VM, the laptop behind a tunnel,
and the hosts of isthmus.

    VM network   10.0.0.0/24, fd00::/64     router .1, dns1 .11, dns2 .12, vm .21
    isthmus      10.0.53.53                 on dns1 and dns2, announced while it is ready
    clusters     10.N.0.0/24                the nodes of cluster N
    "internet"   203.0.113.0/24             router .1, laptop .77; no private address is routed there
    tunnel       10.8.0.0/24                router .1, laptop .2
"""
import os
import re
import shutil
import signal

from bird import Speaker
from cluster import ROUTER_AS
from dns_servers import ANYCAST
from places import HERE, Failed, cables, command, read, wait_until, write

TITLES = {
    'router': 'the router between all networks', 'vm': 'a virtual machine, in no cluster',
    'dns1': 'the host of isthmus', 'dns2': 'the host of a second isthmus',
    'laptop': 'a laptop on the internet, behind a tunnel',
}
LAN = {'dns1': 11, 'dns2': 12, 'vm': 21}
DNS_AS = 64700
PRIVATE = ['10.0.0.0/8', 'fd00::/8']


class Site:
    def __init__(self, places):
        self.router, self.vm, self.dns1, self.dns2, self.laptop = (places[name] for name in TITLES)

    def connect(self):
        """The VM network is a bridge of the router."""
        hosts = {place: LAN[place.name] for place in (self.vm, self.dns1, self.dns2)}
        cables(*((p, 'eth0', self.router, f'to-{p.name}') for p in (*hosts, self.laptop)))
        self.router.router()
        self.router.ip('link add net-vm type bridge', *(f'link set to-{p.name} master net-vm' for p in hosts),
                       'addr add 10.0.0.1/24 dev net-vm', 'addr add fd00::1/64 dev net-vm', 'link set net-vm up',
                       'addr add 203.0.113.1/24 dev to-laptop')
        for place, number in hosts.items():
            place.ip(f'addr add 10.0.0.{number}/24 dev eth0', f'addr add fd00::{number}/64 dev eth0',
                     'route add default via 10.0.0.1', 'route add default via fd00::1')
        for place in (self.vm, self.laptop):
            place.resolver(ANYCAST)
        self.laptop.ip('addr add 203.0.113.77/24 dev eth0')
        self.tunnel = Tunnel(self.laptop, self.router)

    def start_router(self, clusters):
        ranges = ['10.0.0.0/24', *(net for c in clusters for net in c.node_subnets)]
        self.speaker = Speaker(self.router, ROUTER_AS, '10.0.0.1', ranges=ranges, passes_on=True)

    def route(self, address):
        """The router's route to one address: [(gateway, interface)]."""
        text = self.router.must('ip', 'route', 'show', address)
        return re.findall(r'via (\S+) dev (\S+)', text)


    def knows_way_to_isthmus(self):
        return bool(self.route(ANYCAST))


class Tunnel:
    """The best this kernel has: WireGuard, WireGuard as a program on a TUN device, VXLAN."""

    def __init__(self, laptop, router):
        self.laptop, self.router = laptop, router
        for attempt in (self.kernel, self.program, self.vxlan):
            if attempt():
                break
        for place, address in ((laptop, '10.8.0.2'), (router, '10.8.0.1')):
            place.ip(f'addr add {address}/24 dev tunnel', 'link set tunnel mtu 1400 up')
        laptop.ip('route add 10.0.0.0/8 via 10.8.0.1 dev tunnel')

    def kernel(self):
        self.kind = "WireGuard, the kernel's"
        if any(p.run('ip', 'link', 'add', 'tunnel', 'type', 'wireguard')[0] for p in (self.laptop, self.router)):
            self.remove()
            return False
        return self.exchange_keys()

    def program(self):
        self.kind = 'WireGuard as a program on a TUN device (this kernel has no WireGuard)'
        if shutil.which('wireguard-go', path=os.environ['PATH']) is None or not os.access('/dev/net/tun', os.W_OK):
            return False
        for place in (self.laptop, self.router):
            # Its socket for wg(8) lies in /run/wireguard by the name of the device: not in the other's.
            place.must('mount', '-t', 'tmpfs', 'place', '/run/wireguard')
            place.start('wireguard', 'wireguard-go', '-f', 'tunnel')
        try:
            for place in (self.laptop, self.router):
                wait_until(lambda p=place: p.run('wg', 'show', 'tunnel')[0] == 0, f'wireguard-go on {place.name}', 3)
        except Failed:
            self.remove()
            return False
        return self.exchange_keys()

    def vxlan(self):
        self.kind = 'VXLAN, not encrypted (neither WireGuard nor a TUN device can be had here)'
        for place, here, there in ((self.laptop, 77, 1), (self.router, 1, 77)):
            device = 'eth0' if place is self.laptop else 'to-laptop'
            place.ip(f'link add tunnel type vxlan id 8 local 203.0.113.{here} remote 203.0.113.{there} dstport 4789 dev {device}')
        return True

    def remove(self):
        for place in (self.laptop, self.router):
            if 'wireguard' in place.processes:
                place.kill('wireguard')
            place.run('ip', 'link', 'del', 'tunnel')

    def exchange_keys(self):
        """wg(8), as with any two peers. Only the laptop knows where to call."""
        public = {}
        for place in (self.laptop, self.router):
            private = command('wg', 'genkey')
            public[place] = command('wg', 'pubkey', stdin=private).strip()
            place.must('wg', 'set', 'tunnel', 'listen-port', '51820', 'private-key', write(f'{place.folder}/key', private))
        self.router.must('wg', 'set', 'tunnel', 'peer', public[self.laptop], 'allowed-ips', '10.8.0.2/32')
        self.laptop.must('wg', 'set', 'tunnel', 'peer', public[self.router], 'endpoint', '203.0.113.1:51820',
                         'allowed-ips', '10.0.0.0/8')
        return True


class Instance:
    """isthmus on one host, with a BIRD beside it that announces the address while it is ready."""

    def __init__(self, place, program):
        self.place, self.program = place, program
        place.ip(f'addr add {ANYCAST}/32 dev lo')
        place.sysctl('net.ipv4.conf.all.arp_ignore=2')
        self.corefile = write(f'{place.folder}/Corefile', read(f'{HERE}/isthmus.Corefile'))
        number = LAN[place.name]
        self.speaker = Speaker(place, DNS_AS, f'10.0.0.{number}', [('10.0.0.1', ROUTER_AS)], announced=[f'{ANYCAST}/32'],
                               disabled=True)
        wait_until(lambda: os.path.exists(self.speaker.socket), f'BIRD on {place.name}')

    def start(self):
        self.place.start('isthmus', f'{HERE}/announce', self.speaker.socket, self.program, '-conf', self.corefile,
                         '-pidfile', f'{self.place.folder}/isthmus.pid',
                         env={'PLACE': self.place.name})

    @property
    def pid(self):
        """Of isthmus itself, as kill(2) wants it here."""
        return int(read(f'{self.place.folder}/isthmus.pid'))

    def kill(self, number=signal.SIGKILL):
        os.kill(self.pid, number)

    def drain(self):
        """As `systemctl stop` does. Returns the exit status."""
        announce = self.place.processes['isthmus']
        os.kill(announce.pid, signal.SIGTERM)
        return announce.wait()

    def reload(self, corefile):
        """Writes the Corefile and asks for it to be read. Returns what the log said from then on."""
        write(self.corefile, corefile)
        before = len(self.place.log('isthmus'))
        self.kill(signal.SIGUSR1)
        said = lambda: self.place.log('isthmus')[before:]
        wait_until(lambda: 'eload' in said(), 'isthmus reads its Corefile')
        return said

