"""The DNS of the clusters: BIND or CoreDNS, NSD, Knot. Each serves the same zone files on port 53
of its pod, and knows of no other cluster; the first two hand the zones of the others to isthmus,
which is all that a cluster has to be told when its own pods are to use it (the stub case)."""
from places import write

ANYCAST = '10.0.53.53'  # isthmus


def zone_files(place, zones):
    return {zone: write(f'{place.folder}/{zone}.zone', text) for zone, text in zones.items()}


def Nsd(place, zones):
    files = zone_files(place, zones)
    each = ''.join(f'zone:\n  name: "{zone}"\n  zonefile: "{path}"\n' for zone, path in files.items())
    home = place.folder
    config = write(f'{home}/nsd.conf', f'''server:
  username: ""
  chroot: ""
  database: ""
  server-count: 1
  zonesdir: "{home}"
  pidfile: "{home}/nsd.pid"
  xfrdfile: "{home}/xfrd"
  zonelistfile: "{home}/zonelist"
remote-control:
  control-enable: no
{each}''')
    place.start('dns', 'nsd', '-d', '-c', config)


def Knot(place, zones):
    files = zone_files(place, zones)
    each = ''.join(f'  - domain: "{zone}"\n    file: "{path}"\n' for zone, path in files.items())
    home = place.folder
    config = write(f'{home}/knot.conf', f'''server:
    rundir: "{home}"
    listen: [ 0.0.0.0@53, "::@53" ]
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
database:
    storage: "{home}"
log:
  - target: stderr
    any: warning
template:
  - id: default
    zonefile-sync: -1
    journal-content: none
zone:
{each}''')
    place.start('dns', 'knotd', '-c', config)


def bind_with_stub(stub_zones):
    """A server whose `stub_zones` are asked of isthmus."""
    def start(place, zones):
        files = zone_files(place, zones)
        each = ''.join(f'zone "{zone}" {{ type primary; file "{path}"; }};\n' for zone, path in files.items())
        stubs = ''.join(f'zone "{zone}" {{ type forward; forward only; forwarders {{ {ANYCAST}; }}; }};\n'
                        for zone in stub_zones)
        home = place.folder
        config = write(f'{home}/named.conf', f'''options {{
    directory "{home}";
    pid-file "{home}/named.pid";
    session-keyfile "{home}/session.key";
    managed-keys-directory "{home}";
    listen-on-v6 {{ none; }};
    allow-query {{ any; }};
    allow-recursion {{ any; }};
    dnssec-validation no;
    empty-zones-enable no;
}};
controls {{ }};
{each}{stubs}''')
        place.start('dns', 'named', '-f', '-n', '1', '-c', config)
    return start


def coredns_with_stub(program, stub_zones):
    def start(place, zones):
        files = zone_files(place, zones)
        each = ''.join(f'{zone}:53 {{\n    errors\n    file {path}\n}}\n' for zone, path in files.items())
        stub = f'{" ".join(f"{zone}:53" for zone in stub_zones)} {{\n    errors\n    cache 30\n    forward . {ANYCAST}\n}}\n'
        config = write(f'{place.folder}/Corefile', each + stub)
        place.start('dns', program, '-conf', config)
    return start
