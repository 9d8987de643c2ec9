#!/usr/bin/env python3
# e2e: quick
"""The command line and the Corefile as a user meets them: every mistake is told as FILE:LINE with
what was found and how to mend it, all mistakes of a file at once; what is right starts, and starts
quickly. The map of clusters (rows D1-D3) is checked at load.
"""
import os
import re
import time

import badup
import harness
import pages
from harness import ISTHMUS, Isthmus, Process, ask, check, equal, folder, free_port, isthmus, run, wait_until, write

ERROR = re.compile(r'^(?P<file>[^\n:]+):(?P<line>\d+) - (?P<text>.+)$', re.M)


def errors_of(text, *arguments, files=None):
    """(status, [(file, line, text)...], standard error) of a start with this Corefile."""
    home = folder('corefile')
    for name, content in (files or {}).items():
        write(os.path.join(home, name), content)
    path = write(os.path.join(home, 'Corefile'), text.replace('@PORT@', str(free_port())))
    process = Process([ISTHMUS, '-conf', path, *arguments], 'isthmus', cwd=home)
    try:
        status = process.wait(10)
    except harness.subprocess.TimeoutExpired:
        return None, [], process.output() + process.errors()
    finally:
        process.stop()
    found = [(os.path.basename(m['file']), int(m['line']), m['text']) for m in ERROR.finditer(process.errors())]
    return status, found, process.errors()


def refused(text, line, *words, **more):
    """The Corefile is refused at that line, and the message has all of the words (regexes)."""
    status, found, err = errors_of(text, **more)
    what = ' '.join(text.split())[:90]
    equal(status, 1, f'`{what}` is refused with status 1')
    here = [message for _, number, message in found if number == line]
    if check(here, f'`{what}`: an error at line {line}', err):
        for word in words:
            check(re.search(word, ' '.join(here), re.I), f'`{what}`: the message has /{word}/', here)


def block(*lines):
    return '.:@PORT@ {\n    bind 127.0.0.1\n' + ''.join(f'    {line}\n' for line in lines) + '}\n'


# ---- the cluster directive ----

def test_mistakes_in_a_cluster_line():
    for line, *words in (
            ('cluster', 'zone', 'cluster-b.local 10'),
            ('cluster 10.97.0.0/16', 'zone'),
            ('cluster b.local', 'b.local', 'dns|subnet'),
            ('cluster b.local 10.97.0.10', '10.97.0.10', 'dns|/16'),
            ('cluster b.local 10.97.0.0/33', '10.97.0.0/33'),
            ('cluster b.local 10.97.0.0/', '10.97.0.0/'),
            ('cluster b.local 10.97.0.1/16', '10.97.0.0/16'),
            ('cluster b.local fd00:b::1/112', 'fd00:b::/112'),
            ('cluster b.local 10.97.0.0/29', '10.97.0.0/29', 'outside|10th|address 10', 'dns'),
            ('cluster b.local fd00:b::/125', 'fd00:b::/125', 'outside|10th|address 10'),
            ('cluster b.local 10.97.0.0/16 {\n        index 70000\n    }', '70000', 'outside'),
            ('cluster b..local 10.97.0.0/16', r'b\.\.local'),
            ('cluster ' + 'x' * 64 + '.local 10.97.0.0/16', 'x{64}'),
            ('cluster b.local b.local 10.97.0.0/16', 'b.local', 'twice|already|same'),
            ('cluster b.local B.LOCAL. 10.97.0.0/16', 'b.local', 'twice|already|same')):
        refused(block(line), 3, *words)


def test_mistakes_in_a_cluster_block():
    for option, *words in (
            ('port 0', 'port', '0', '65535'), ('port 65536', '65536'), ('port http', 'http'), ('port', 'port'),
            ('port 53 54', '54|argument'), ('index 0', 'index'), ('index -1', '-1'), ('index x', 'x'),
            ('dns', 'dns'), ('dns app.example', 'app.example'),
            ('dns 10.97.0.10:0', '10.97.0.10:0'), ('dns 10.97.0.300', '10.97.0.300'), ('dns [fd00::1', 'fd00'),
            ('domain', 'domain'), ('domain a..b', r'a\.\.b'), ('domain a.example b.example', 'b.example|argument'),
            ('policy fastest', 'fastest', 'sequential', 'round_robin', 'random'), ('force_tcp yes', 'yes|argument'),
            ('max_fails many', 'many'), ('max_fails -1', '-1'), ('health_check 5', '5'), ('health_check -5s', '-5s'),
            ('timeout soon', 'soon'), ('timeout 0s', 'timeout|0s'), ('max_concurrent -1', '-1'), ('services', 'services'),
            ('services 10.98.0.0', '10.98.0.0'), ('pods 10.1.0.1/16', '10.1.0.0/16'), ('pods all', 'all'),
            ('polcy random', 'polcy', 'policy'), ('pod 10.1.0.0/16', 'pods'), ('service 10.98.0.0/16', 'services'),
            ('tls', 'tls'), ('POLICY random', 'POLICY', 'policy'), ('weight 5', 'weight')):
        refused(block('cluster b.local 10.97.0.0/16 {', f'    {option}', '}'), 4, *words)


def test_mistakes_between_clusters():
    for first, second, *words in (
            ('a.local 10.96.0.0/16', 'a.local 10.97.0.0/16', 'a.local', 'twice|already|same'),
            ('a.local 10.96.0.0/16', 'A.Local. 10.97.0.0/16', 'a.local', 'twice|already|same'),
            ('a.local 10.96.0.0/16', 'b.local 10.96.0.0/16', 'a.local', 'b.local', '10.96.0.0/16', 'serviceSubnet'),
            ('a.local 10.96.0.0/12', 'b.local 10.97.0.0/16', 'a.local', 'b.local', '10.96.0.0/12', '10.97.0.0/16'),
            ('a.local 10.97.128.0/17', 'b.local 10.97.0.0/16', 'a.local', 'b.local', '10.97.128.0/17'),
            ('a.local fd00:a::/108', 'b.local fd00:a::/112', 'a.local', 'b.local', 'fd00:a::/108'),
            ('a.local 10.96.0.0/16', 'cluster.local 10.97.0.0/16 {\n        domain x.local\n    }', 'cluster.local', 'a.local'),
            ('cluster.local 10.97.0.0/16 {\n        domain x.local\n    }', 'a.local 10.96.0.0/16', 'cluster.local', 'a.local'),
            ('a.local 10.96.0.0/16', 'b.local 10.97.0.0/16 {\n        pods 10.96.0.0/16\n    }', 'a.local', 'b.local', '10.96.0.0/16'),
            ('a.local 10.96.0.0/16 {\n        pods 10.244.0.0/16\n    }',
             'b.local 10.97.0.0/16 {\n        pods 10.244.0.0/16\n    }', 'a.local', 'b.local', '10.244.0.0/16')):
        status, found, err = errors_of(block(f'cluster {first}', f'cluster {second}'))
        what = f'{" ".join(first.split())} | {" ".join(second.split())}'
        equal(status, 1, f'{what}: refused')
        told = ' '.join(message for _, _, message in found)
        check(found, f'{what}: as FILE:LINE', err)
        for word in words:
            check(re.search(word, told, re.I), f'{what}: the message has /{word}/', told)


def test_what_is_legal_between_clusters():
    for lines in (
            ('cluster cluster.local 10.96.0.0/16', 'cluster b.local 10.97.0.0/16', 'cluster c.local 10.98.0.0/16'),
            ('cluster a.local 10.96.0.0/16 {', 'pods 10.244.0.0/16', '}',
             'cluster b.local 10.97.0.0/16 {', 'pods 10.244.128.0/17 10.96.4.0/24', '}'),
            ('cluster k8s.lan 10.96.0.0/16', 'cluster eu.k8s.lan 10.97.0.0/16', 'cluster b.cluster.local 10.98.0.0/16'),
            ('cluster b.local c.local {', 'services 10.96.0.0/28 fd00:b::/112', 'index 15', 'port 5353',
             'domain k8s.example', 'policy round_robin', 'force_tcp', 'max_fails 0', 'health_check 1m30s',
             'max_concurrent 0', 'timeout 900ms', '}'),
            ('cluster b.local 10.97.0.0/29 {', 'dns 10.97.0.2 10.97.0.3:5353 [fd00::1]:53 fd00::2', '}'),
            ('cluster b.local {', 'dns 10.97.0.10', '}'),
            ('cluster b.local 10.97.0.0/16', 'cluster c.local 10.98.0.0/16', 'forward . 127.0.0.1:1')):
        server = Isthmus(block(*lines))
        check(server.alive, f'{" ".join(lines)} loads')
        server.stop()


def test_blocks_are_judged_apart():
    """The same zone and subnets in another server block are no mistake."""
    one, other = free_port(), free_port()
    text = ''.join(f'.:{port} {{\n    bind 127.0.0.1\n    cluster b.local 10.97.0.0/16\n}}\n' for port in (one, other))
    server = Isthmus(text, port=one)
    check(server.alive, 'two blocks with the same cluster load')


def test_zone_outside_the_block():
    text = 'example.org:@PORT@ {\n    bind 127.0.0.1\n    cluster b.local 10.97.0.0/16\n}\n'
    refused(text, 3, 'b.local', r'key|block')
    server = isthmus('    cluster b.local 10.97.0.0/16', keys='b.local')
    check('warning' in server.log().lower() and 'reverse' in server.log(), 'missing reverse zones are warned of', server.log())


# ---- mistakes anywhere ----

def test_all_mistakes_are_told_at_once():
    text = block('cluster b.local 10.97.0.1/16', 'forwrd . 1.1.1.1', 'cluster c.local {', '    polcy random', '    port 99999',
                 '}', 'forward . 1.2.3.4 {', '    max_fails many', '}', 'kubernetes cluster.local')
    status, found, err = errors_of(text)
    equal(status, 1, 'refused')
    lines = {number for _, number, _ in found}
    for number, what in ((3, 'host bits'), (4, 'an unknown directive'), (6, 'an unknown option'), (7, 'a port'),
                         (10, 'a number'), (12, 'kubernetes')):
        check(number in lines, f'line {number} ({what}) is told', err)


def test_unknown_words_get_a_suggestion():
    for line, *words in (('forwrd . 1.1.1.1', 'forwrd', 'forward'), ('clusters b.local 10.97.0.0/16', 'cluster'),
                         ('Whoami', 'whoami'), ('error', 'errors'), ('lgo', 'log'), ('hostz', 'hostz'), ('zzzzzz', 'zzzzzz')):
        refused(block(line), 3, *words)
    status, found, _ = errors_of(block('zzzzzzzz'))
    check(status == 1 and not re.search('did you mean', str(found), re.I), 'nothing near: no suggestion', found)


def test_plugins_of_coredns_are_named_as_such():
    for name in ('dnssec', 'route53', 'azure', 'nomad', 'grpc', 'quic', 'on', 'federation'):
        refused(block(name), 3, name, 'coredns|version|not|later')
    refused(block('kubernetes cluster.local in-addr.arpa ip6.arpa {', '    pods insecure', '}'), 3, 'kubernetes', r'cluster \S+')
    status, found, _ = errors_of(block('kubernetes k8s.corp in-addr.arpa'))
    check(status == 1 and re.search(r'cluster', str(found)), 'kubernetes: the message has the cluster line', found)


def test_brackets_and_quotes():
    refused('.:@PORT@ {\n    whoami\n', 2, '')
    refused('.:@PORT@ {\n    forward . 1.1.1.1 {\n        max_fails 1\n    }\n    }\n}\nb.test {\n}\n', 7, 'line 6')
    refused('.:@PORT@{\n    whoami\n}\n', 1, '')
    status, _, err = errors_of('.:@PORT@ {\n    bind 127.0.0.1\n    whoami "a b"\n}\n')
    equal(status, 1, 'whoami takes no argument')
    check(':3 - ' in err, 'told with its line', err)


def test_keys():
    for key, *words in (('.:99999', '99999'), ('.:x', 'x'), ('a..b:@PORT@', r'a\.\.b')):
        refused(f'{key} {{\n    whoami\n}}\n', 1, *words)
    refused('.:@PORT@ {\n    bind 127.0.0.1\n    whoami\n}\n.:@PORT@ {\n    bind 127.0.0.1\n    whoami\n}\n', 5, 'already|twice')


def test_mistakes_in_imported_files():
    text = '(snip) {\n    forwrd . 1.1.1.1\n}\n.:@PORT@ {\n    import snip\n    import more.conf\n}\n'
    _, found, err = errors_of(text, files={'more.conf': 'whoami\n\npolcy x\n'})
    check(('Corefile', 2) in [f[:2] for f in found], 'a snippet: where it was written', err)
    check(('more.conf', 3) in [f[:2] for f in found], 'a file: its own name and line', err)
    refused('.:@PORT@ {\n    import nosuch.conf\n}\n', 2, 'nosuch.conf')


def test_messages_are_one_line_and_plain():
    text = block('cluster b.local "10.97\n\t\x1b[31m.0.0/16"', 'x' * 5000)
    status, _, err = errors_of(text)
    equal(status, 1, 'odd words are refused')
    check('\x1b' not in err and '\t' not in err, 'control characters do not reach the terminal', err[:200])
    check(all(len(line) < 1000 for line in err.split('\n')), 'no line is endless', max(len(line) for line in err.split('\n')))


# ---- the command line ----

def test_version_and_plugins():
    status, out, err = run([ISTHMUS, '-version'])
    check(status == 0 and re.match(r'isthmus-\d', out) and not err, '-version', (status, out, err))
    equal(run([ISTHMUS, '--version'])[:2], (0, out), '--version, too')
    status, out, _ = run([ISTHMUS, '-plugins'])
    equal(status, 0, '-plugins')
    names = out.split('\n')[:-1]
    equal(names, sorted(names), '-plugins lists one a line, by the alphabet')
    for name in ('bind', 'cluster', 'errors', 'file', 'forward', 'log', 'multisocket', 'whoami'):
        check(name in names, f'-plugins lists {name}', out)
    check('kubernetes' not in out, 'and nothing that is not there', out)
    for word in ('-help', '--help', '-h'):
        status, out, err = run([ISTHMUS, word])
        check('-conf' in out + err and 'demo' in out + err, f'{word} shows the options', (status, out, err))


def test_mistakes_on_the_command_line():
    for words in (['-nosuch'], ['-conf'], ['-dns.port', 'x'], ['-dns.port', '70000'], ['-conf', '/nonexistent/Corefile'],
                  ['-conf', '/tmp'], ['extra'], ['-p'], ['-dns.port', '-1']):
        status, out, err = run([ISTHMUS, *words], timeout_s=5)
        check(status not in (0, None) and status > 0, f'{words} is refused', status)
        check(len(err.strip()) > 0 and not out.strip(), f'{words}: on standard error', (out, err))
        check(words[-1] in err or words[0] in err, f'{words}: names what is wrong', err)


def test_port_options():
    for option in ('-dns.port', '--dns.port', '-p'):
        port = free_port()
        server = Isthmus('. {\n    bind 127.0.0.1\n    whoami\n}\n', [option, str(port)], port=port)
        equal(ask(server, 'x.').rcode, 'NOERROR', f'{option} sets the port of keys without one')
        server.stop()
    first, second, own = free_port(), free_port(), free_port()
    text = f'. {{\n    bind 127.0.0.1\n    whoami\n}}\na.test:{own} {{\n    bind 127.0.0.1\n    whoami\n}}\n'
    server = Isthmus(text, ['-dns.port', str(first), '-p', str(second)], port=second)
    check(harness.is_served(own) and not harness.is_served(first), 'the last wins; a port in a key stays')


def test_corefile_from_standard_input():
    port = free_port()
    process = Process([ISTHMUS, '-conf', 'stdin'], 'isthmus', stdin=f'.:{port} {{\n    bind 127.0.0.1\n    whoami\n}}\n')
    wait_until(lambda: harness.is_served(port), 5, 'a Corefile from standard input')
    process.stop()
    status, _, err = run([ISTHMUS, '-conf', 'stdin'], stdin='.:53 {\n    whoamy\n}\n')
    check(status == 1 and re.search(r'stdin:2 - .*whoami', err), 'mistakes there are told as stdin:LINE', err)


def test_corefile_of_the_working_directory():
    home, port = folder('cwd'), free_port()
    write(f'{home}/Corefile', f'.:{port} {{\n    bind 127.0.0.1\n    whoami\n}}\n')
    process = Process([ISTHMUS], 'isthmus', cwd=home)
    wait_until(lambda: harness.is_served(port), 5, './Corefile is used without -conf')
    process.stop()
    port = free_port()
    process = Process([ISTHMUS, '-dns.port', str(port)], 'isthmus', cwd=folder('empty'))
    wait_until(lambda: harness.is_served(port), 5, 'without any file: the built-in one')
    process.stop()


def test_pidfile():
    home = folder('pid')
    path = f'{home}/pid'
    server = isthmus('    whoami', ['-pidfile', path])
    wait_until(lambda: os.path.exists(path) and os.path.getsize(path) > 0, 5, 'the pid file')
    with open(path, encoding='ascii') as file:
        equal(file.read(), f'{server.popen.pid}\n', 'holds the process ID and a newline')
    server.stop()
    check(not os.path.exists(path), 'and is removed at the end')
    target = write(f'{home}/target', 'precious')
    os.symlink(target, f'{home}/link')
    status, _, err = errors_of(block('whoami'), '-pidfile', f'{home}/link')
    check(status == 1 and f'{home}/link' in err, 'a pid file that cannot be written stops the start', (status, err))
    with open(target, encoding='ascii') as file:
        equal(file.read(), 'precious', 'a symbolic link is not followed')


def test_banner_and_quiet():
    server = isthmus('    whoami', keys='. b.test')
    wait_until(lambda: server.output().count('\n') >= 3, 5, 'the banner')
    check(re.search(rf'^\.:{server.port}\b', server.output(), re.M) and re.search(r'^b\.test\.:\d+', server.output(), re.M),
          'names the zones', server.output())
    server = isthmus('    whoami', ['-quiet'])
    ask(server, 'x.')
    equal(server.output(), '', '-quiet: none')


def test_signals():
    up = badup.Upstream(f'{harness.loopback_net()}.10', free_port())
    for number, status in ((harness.signal.SIGTERM, 0), (harness.signal.SIGINT, 0), (harness.signal.SIGQUIT, 0)):
        server = isthmus(f'    forward . {up.address}:{up.port}')
        ask(server, 'x.example')
        began = time.monotonic()
        server.signal(number)
        equal(server.wait(10), status, f'{number.name}: status')
        harness.within((time.monotonic() - began) * 1000, 2000, f'{number.name}: the end')
        server.stop()
    server = isthmus(f'    forward . {up.address}:{up.port}')
    server.signal(harness.signal.SIGHUP)
    equal(ask(server, 'y.example').data, ['192.0.2.7'], 'SIGHUP does not end it')
    with harness.TcpClient(server) as client:
        client.send(harness.make_query('slow-700.example', edns=None))
        wait_until(lambda: up.asked('slow-700.example'), 5, 'a question in flight')
        server.signal(harness.signal.SIGTERM)
        check(client.receive() is not None, 'SIGTERM: what is in flight is answered')
    equal(server.wait(10), 0, 'SIGTERM with a question in flight: status')


def test_number_of_workers():
    for number in (1, 2, 5):
        server = isthmus(f'    multisocket {number}\n    whoami')
        count = sum(port == server.port for _, port in harness.sockets('udp'))
        equal(count, number, f'multisocket {number}: as many sockets')
        for i in range(20):
            equal(ask(server, f'x{i}.').rcode, 'NOERROR', f'multisocket {number} answers')
        server.stop()
    for word in ('0', '-1', 'many', '1 2', '100000'):
        refused(block(f'multisocket {word}', 'whoami'), 3, 'multisocket', word.split()[-1])


def test_address_in_use_or_absent():
    refused_status, _, err = errors_of('.:@PORT@ {\n    bind 192.0.2.77\n    whoami\n}\n')
    check(refused_status == 1 and '192.0.2.77' in err, 'an address this machine has not', (refused_status, err))


# ---- many clusters ----

@harness.namespace()
def test_host_names_are_those_of_the_system():
    """/etc/hosts goes first, for upstreams and for pages."""
    upstream, home, port, metrics = isthmus('hosts {\n 192.0.2.80 www.test\n}'), folder('names'), free_port(), free_port()
    hosts = write(f'{home}/hosts', '127.0.0.1 localhost up.a.test Pages.test\n')
    resolv = write(f'{home}/resolv.conf', 'nameserver 127.0.0.1\n')
    corefile = write(f'{home}/Corefile', f'.:{port} {{\n bind 127.0.0.1\n forward . up.a.test:{upstream.port}\n'
                     f' prometheus pages.test:{metrics}\n ready nowhere.test:{free_port()}\n}}\n')
    command = (f'mount --bind {hosts} /etc/hosts && mount --bind {resolv} /etc/resolv.conf || exit 77; '
               f'exec {ISTHMUS} -conf {corefile}')
    server = Process(['unshare', '-m', 'sh', '-c', command], 'names')
    wait_until(lambda: not server.alive or 'isthmus-' in server.output(), 30, 'the banner')
    if not server.alive and server.popen.returncode == 77:
        raise harness.Skip('no mount namespace here')
    server.address, server.port = '127.0.0.1', port
    equal(ask(server, 'www.test').data, ['192.0.2.80'], 'the answer of the upstream with a name')
    equal(pages.get(metrics, '/metrics')[0], 200, 'the page at a name')
    check(re.search(r'\[ERROR\] plugin/ready: failed to start: nowhere\.test', server.output() + server.errors()),
          'a page at no address is told, and left out', server.output())


def test_ten_thousand_clusters_load_quickly():
    up = badup.Upstream(f'{harness.loopback_net()}.10', free_port())
    lines = [f'cluster c{i}.lan 10.{i >> 8 & 255}.{i & 255}.0/24' for i in range(10000)]
    lines.append(f'cluster last.lan {{\n dns {up.address}:{up.port}\n}}')
    began = time.monotonic()
    server = Isthmus(block(*lines))
    harness.within((time.monotonic() - began) * 1000, 2000, '10,000 clusters are loaded')
    equal(ask(server, 'app.last.lan').data, ['192.0.2.7'], 'the last of them answers')
    lines[9999] = 'cluster c1.lan 10.200.0.0/24'
    began = time.monotonic()
    status, found, err = errors_of(block(*lines))
    harness.within((time.monotonic() - began) * 1000, 2000, 'a mistake among 10,000 is found')
    equal((status, [number for _, number, _ in found]), (1, [10002]), err[:300])


if __name__ == '__main__':
    harness.main()
