#!/usr/bin/env python3
"""Corefiles with mistakes: a few as people write them, each word, line, octet and brace of which is
made wrong by a seeded hand. Whatever comes of it is taken, or refused with file and line; nothing
crashes, hangs, leaks or is refused without a word. MUTATIONS=N makes more than the usual number.
"""
import os
import random
import re
import string

import harness
from harness import ISTHMUS, check, folder, namespace, run, write

MUTATIONS = int(os.environ.get('MUTATIONS', '150'))
SEEDS = ['''
.:53 {
    errors {
        consolidate 5m ".* i/o timeout$" warning
    }
    health {
        lameduck 5s
    }
    ready :8181
    log . "{remote} {name} {type} {rcode}" {
        class denial error
    }
    prometheus :9153
    forward . 10.0.0.1 10.0.0.2:5353 tls://10.0.0.3 {
        except corp.example 10.0.0.0/8
        policy sequential
        max_fails 2
        expire 10s
        health_check 0.5s no_rec domain example.org
        tls_servername dns.example
        max_concurrent 1000
        next SERVFAIL
        failover REFUSED
    }
    cache 30 {
        success 9984 3600 5
        denial 1024 60
        prefetch 10 1m 10%
        serve_stale 1h verify 1s
        disable denial example.org
    }
    loop
    reload 30s 15s
    loadbalance round_robin
}
''', '''
(logging) {
    log {$UNSET} {
        class all
    }
    errors
}
cluster-b.local, cluster-c.local:5300 cluster-d.local 10.112.0.0/12 {
    import logging
    rewrite name suffix .cluster-b.local .cluster.local answer auto
    rewrite continue name regex (.*)-(us|eu)\\.example\\.org {1}.{2}.example.org answer value (.*) {1}
    rewrite stop type ANY HINFO
    rewrite edns0 local set 0xffee {client_ip} revert
    rewrite ttl suffix .example.org 30-300
    rewrite rcode exact nx.example.org NXDOMAIN NOERROR
    rewrite continue cname exact old.example.org. new.example.org.
    acl cluster.local {
        allow net 10.0.0.0/8 fd00::/8
        filter type AAAA HTTPS
        block
    }
    cluster cluster-d.local {
        dns 10.97.0.10 10.97.0.11:53
        services 10.97.0.0/16
        domain cluster.local
    }
    forward . /etc/resolv.conf
}
''', '''
home.lan:53 {
    bind 127.0.0.1 ::1 {
        except ::1
    }
    hosts {
        192.0.2.1 router.home.lan nas.home.lan
        2001:db8::1 router.home.lan
        ttl 60
        reload 5s
        no_reverse
        fallthrough home.lan
    }
    template IN A ads.home.lan {
        match "^(?P<n>[a-z]+)-(\\d+)\\.ads\\.home\\.lan\\.$"
        answer "{{ .Name }} 60 IN A {{ if eq .Group.n \\"x\\" }}0.0.0.0{{ else }}10.0.0.{{ index .Match 2 }}{{ end }}"
        authority "{{ .Zone }} 60 IN NS ns.{{ .Zone }}"
        rcode NOERROR
        ederror 15 "blocked"
        fallthrough
    }
    view inside {
        expr incidr(client_ip(), '192.168.0.0/16') && type() in ['A', 'AAAA']
    }
    dns64 64:ff9b::/96
    header {
        response set ra
        query clear rd
    }
    timeouts {
        read 5s
        idle 30s
    }
    bufsize 1232
    chaos "v1" author
    nsid here
    local
    any
    minimal
    metadata
    cancel 3s
    root /tmp
    erratic {
        drop 2
    }
    autopath @HERE@/resolv.conf
    multisocket 2
    whoami
}
''']
WORDS = ['', '""', '{', '}', '{}', '(', ')', '#', '"', '\\', '*', '.', '..', 'a..b', '-1', '0', '99999999999999999999', '1s', '-5s', '1h30m', '.5s', '10%',
         '10.0.0.0/33', '::1', '[::1]:53', ':53', 'tls://', 'https://x', 'dns://.:0', 'import', 'import x', '{$A', '{%A%}', '{{', '}}', '{{ .Name }}',
         '[a', '(?P<x', 'x' * 300, '\x00', '\xff', '\ufeff', '\r', '\t', 'é.test', '/', '/dev/null', 'fallthrough', 'answer', 'auto', 'NXDOMAIN', 'ANY']


def at_a_word(dice, text):
    parts = re.split(r'(\s+)', text)
    at = dice.randrange(0, len(parts), 2)
    parts[at] = dice.choice([dice.choice(WORDS), parts[at] * 2, parts[at].upper(), f'{parts[at]} {dice.choice(WORDS)}', f'-{parts[at]}'])
    return ''.join(parts)


def at_a_line(dice, text):
    lines = text.split('\n')
    at, other = dice.randrange(len(lines)), dice.randrange(len(lines))
    how = dice.choice('drop twice swap join elsewhere'.split())
    if how == 'drop':
        del lines[at]
    elif how == 'twice':
        lines.insert(at, lines[at])
    elif how == 'swap':
        lines[at], lines[other] = lines[other], lines[at]
    elif how == 'join':
        lines[at:at + 2] = [' '.join(lines[at:at + 2])]
    else:
        foreign = dice.choice(SEEDS).split('\n')
        lines[at:at] = foreign[other % len(foreign):][:dice.randrange(1, 5)]
    return '\n'.join(lines)


def at_an_octet(dice, text):
    at = dice.randrange(len(text) + 1)
    return dice.choice([text[:at], text[:at] + dice.choice(string.printable) + text[at:], text[:at] + text[at + 1:],
                        text[:at] + chr(dice.randrange(1, 256)) + text[at + 1:]])


def mutated(dice):
    text = dice.choice(SEEDS)
    for _ in range(dice.randrange(1, 4)):
        text = dice.choice([at_a_word, at_a_word, at_a_line, at_an_octet])(dice, text)
    return text


@namespace('127.0.0.1')
def test_mistakes_are_taken_or_told():
    dice = random.Random(20261128)
    where = folder('mutations')
    path = os.path.join(where, 'Corefile')
    write(os.path.join(where, 'resolv.conf'), 'search a.test b.test\n')

    def judge(text):
        """(status, what was said): 0 it is well, 1 it loads with problems, 2 it is refused."""
        write(path, text.replace('@HERE@', where).encode('utf-8', 'replace').decode('latin-1'))
        status, out, errors = run([ISTHMUS, 'check', '--offline', '--conf', path])
        return status, out + errors
    for number, text in enumerate(SEEDS):
        status, said = judge(text)
        check(status < 2, f'seed {number} loads', said)
    refused = 0
    for number in range(MUTATIONS):
        text = mutated(dice)
        status, said = judge(text)
        healthy = 0 <= status <= 2 and 'Sanitizer' not in said and 'runtime error' not in said
        check(healthy, f'mutation {number}', f'status {status}: {said[-800:]}\n{text}')
        refused += status == 2
        check(status < 2 or re.search(r'Corefile:\d+', said), f'mutation {number} is refused with its place', f'{said}\n{text}')
    check(0 < refused < MUTATIONS, 'some are taken and some are not', f'{refused} of {MUTATIONS}')


if __name__ == '__main__':
    harness.main()
