#!/usr/bin/env python3
"""The Corefiles of examples/ do what they say, with real clusters at the addresses they name, inside
a network namespace; the systemd unit is one.
"""
import configparser
import glob
import os
import re
import shutil

import harness
import peers
import world
from harness import ROOT, Isthmus, ask, check, equal, namespace, need, run


def example(name):
    with open(f'{ROOT}/examples/{name}/Corefile', encoding='ascii') as file:
        return file.read()


def cluster(label, services, pods, **more):
    """A cluster of NSD at the 10th address of its Service subnet."""
    c = world.Cluster(label, services, pods, **more)
    c.service('app.web', [str(c.services[7 * 256 + 21])], [('http', 'tcp', 80)])
    c.headless('db.web', {'db-0': [str(c.pods[266])]})
    return c, peers.Nsd(c.zones(), [str(c.services[10])], 53)


def both_ways(server, zone, c):
    """Its names resolve forwards and backwards."""
    service, pod = str(c.services[7 * 256 + 21]), str(c.pods[266])
    equal(ask(server, f'app.web.svc.{zone}').data, [service], f'app.web.svc.{zone}')
    for address, name in ((service, f'app.web.svc.{zone}.'), (pod, f'db-0.db.web.svc.{zone}.')):
        reverse = '.'.join(reversed(address.split('.'))) + '.in-addr.arpa'
        equal(ask(server, reverse, 'PTR').data, [name], f'{address} backwards')


def through_the_c_library():
    """What a program of the VM sees, with the resolv.conf of the example's comment."""
    lines = re.findall(r'^#     ((?:nameserver|search|options) .*)$', example('vm'), re.M)
    equal(len(lines), 3, 'the comment has a resolv.conf')
    path = harness.write(f'{harness.folder("vm")}/resolv.conf', '\n'.join(lines) + '\n')
    for words, wanted in (('ahostsv4 app.web.svc.cluster-b.local', '10.97.7.21'), ('ahostsv4 app.web', '10.96.7.21'),
                          ('hosts 10.97.7.21', 'app.web.svc.cluster-b.local'), ('ahostsv4 www.example.com', '192.0.2.80')):
        mount = f'mount --bind {path} /etc/resolv.conf || exit 77; exec getent {words}'
        status, out, _ = run(['unshare', '-m', 'sh', '-c', mount])
        if status == 77 or shutil.which('getent') is None:
            print('skip through_the_c_library: no mount namespace here')
            return
        check(wanted in out, f'getent {words}', out)


@namespace('10.96.0.10', '10.97.0.10', '192.0.2.1')
def test_vm():
    a, _ = cluster('a', '10.96.0.0/16', '10.244.0.0/16')
    b, _ = cluster('b', '10.97.0.0/16', '10.245.0.0/16')
    peers.Nsd(world.internet(), ['192.0.2.1'], 53)
    server = Isthmus(example('vm'), port=53)
    both_ways(server, 'cluster-a.local', a)
    both_ways(server, 'cluster-b.local', b)
    equal(ask(server, '_http._tcp.app.web.svc.cluster.local', 'SRV').data, ['0 100 80 app.web.svc.cluster.local.'],
          'the home cluster under its own name')
    equal(ask(server, 'www.example.com').data, ['192.0.2.80'], 'everything else')
    through_the_c_library()
    harness.stop_all()


@namespace('10.0.0.53')
def test_stub():
    a, _ = cluster('a', '10.96.0.0/16', '10.244.0.0/16')
    b, _ = cluster('b', '10.97.0.0/16', '10.245.0.0/16')
    server = Isthmus(example('stub'), address='10.0.0.53', port=53)
    check('warning' not in server.log().lower(), 'it starts without a warning', server.log())
    both_ways(server, 'cluster-a.local', a)
    both_ways(server, 'cluster-b.local', b)
    equal(ask(server, 'www.example.com').rcode, 'REFUSED', 'other names are refused')
    harness.stop_all()


@namespace('10.100.0.10', '10.101.0.10')
def test_kind():
    a, _ = cluster('a', '10.100.0.0/19', '10.50.0.0/16')
    b, _ = cluster('b', '10.101.0.0/19', '10.51.0.0/16')
    server = Isthmus(example('kind'), port=5354)
    both_ways(server, 'kind-a.lan', a)
    both_ways(server, 'kind-b.lan', b)
    equal(ask(server, 'kubernetes.default.svc.kind-b.lan').data, ['10.101.0.1'], 'the line of its comment')
    harness.stop_all()


def test_every_example_is_tested():
    names = sorted(os.path.basename(os.path.dirname(path)) for path in glob.glob(f'{ROOT}/examples/*/Corefile'))
    tested = sorted(name.removeprefix('test_') for name in globals() if f'test_{name.removeprefix("test_")}' == name)
    check(set(names) <= set(tested), 'each folder of examples/ has a test', (names, tested))


def unit():
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(f'{ROOT}/examples/isthmus.service')
    return parser


def test_unit_starts_what_is_installed():
    command = unit()['Service']['ExecStart'].split()
    equal(os.path.basename(command[0]), 'isthmus', 'the program')
    _, out, err = run([harness.ISTHMUS, '-help'])
    for word in command[1:]:
        if word.startswith('-'):
            check(re.search(rf'{word}\b', out + err), f'the option {word} exists', out + err)


def test_unit_starts_the_program_wherever_it_is_installed():
    root = harness.folder('root')
    where = (f'DESTDIR={root}', 'PREFIX=/usr')
    status, _, err = run(['make', '-C', ROOT, 'install', *where])
    equal(status, 0, f'make install: {err}')
    with open(f'{root}/usr/lib/systemd/system/isthmus.service', encoding='ascii') as file:
        program = re.search(r'^ExecStart=(\S+)', file.read(), re.M)[1]
    check(os.access(root + program, os.X_OK), 'the program of the unit', program)
    run(['make', '-C', ROOT, 'uninstall', *where])
    equal([name for _, _, names in os.walk(root) for name in names], [], 'uninstall leaves nothing')


def test_unit_as_systemd_reads_it():
    tool = need('systemd-analyze')
    with open(f'{ROOT}/examples/isthmus.service', encoding='ascii') as file:
        text = file.read().replace('/usr/local/bin/isthmus', harness.ISTHMUS)
    path = harness.write(f'{harness.folder("unit")}/isthmus.service', text)
    _, out, err = run([tool, 'verify', '--man=no', path])
    lines = [line for line in (out + err).split('\n') if 'isthmus.service' in line and 'executable' not in line]
    equal(lines, [], 'systemd-analyze verify has nothing to say')


if __name__ == '__main__':
    harness.main()
