"""NSD, BIND and Knot as secondaries: they have their zone from a primary, and go on with it.

    nsd = NsdSecondary('big.test', primary_port, '127.0.0.1', port)   # once it has the zone
"""
import harness
import peers
import wire


class Secondary:
    """Mixed into a server of peers: no zone files of its own. `key` is (name, algorithm, secret) or None."""

    def __init__(self, zone, primary_port, address, port, key=None):
        self.zone, self.primary_port, self.key = zone, primary_port, key
        super().__init__({}, [address], port)

    def serial(self):
        """Of the zone it has; None while it has none."""
        answer = harness.exchange_udp(self, wire.query(self.zone, 'SOA'), 0.5)
        if answer is None or answer[3] & 15 != 0:
            return None
        data = harness.Reply(answer, 0).data
        return int(data[0].split()[2]) if data else None

    def answers(self):
        if not self.alive:
            raise AssertionError(f'{self.program} ended: {self.output()[-800:]}{self.errors()[-800:]}')
        return self.serial() is not None


class NsdSecondary(Secondary, peers.Nsd):
    def configuration(self, **_):
        key = f'key:\n  name: "{self.key[0]}"\n  algorithm: {self.key[1]}\n  secret: "{self.key[2]}"\n' if self.key else ''
        name = self.key[0] if self.key else 'NOKEY'
        return super().configuration() + key + f'''zone:
  name: "{self.zone}"
  zonefile: "{self.home}/secondary.zone"
  request-xfr: 127.0.0.1@{self.primary_port} {name}
  allow-notify: 127.0.0.1 NOKEY
'''


class BindSecondary(Secondary, peers.Bind):
    def zone_options(self, sign):
        key = f'key "{self.key[0]}" {{ algorithm {self.key[1]}; secret "{self.key[2]}"; }};\n' if self.key else ''
        use = f' key "{self.key[0]}"' if self.key else ''
        return key + f'''zone "{self.zone}" {{
    type secondary; file "{self.home}/secondary.zone";
    primaries port {self.primary_port} {{ 127.0.0.1{use}; }};
    allow-notify {{ 127.0.0.1; }};
}};
'''


class KnotSecondary(Secondary, peers.Knot):
    def configuration(self, **_):
        key = f'key:\n  - id: {self.key[0]}\n    algorithm: {self.key[1]}\n    secret: {self.key[2]}\n' if self.key else ''
        use = f'\n    key: {self.key[0]}' if self.key else ''
        return self.head() + f'''{key}remote:
  - id: primary
    address: 127.0.0.1@{self.primary_port}{use}
acl:
  - id: news
    address: 127.0.0.1
    action: notify
zone:
  - domain: "{self.zone}."
    storage: "{self.home}"
    file: "secondary.zone"
    master: primary
    acl: news
'''
