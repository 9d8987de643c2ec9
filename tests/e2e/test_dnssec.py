#!/usr/bin/env python3
"""DNSSEC: where names are changed no signature can hold, so none is passed, asked for, or promised;
a cluster whose zone is its own domain passes as it is (row R10). The zones are signed by BIND with
NSEC and by Knot with NSEC3.
"""
import functools

import badup
import harness
import peers
import wire
import world
from harness import ask, check, equal, free_port, isthmus, loopback_net, wait_until

ZONE = 'cluster-b.local'
SIGNING = {'RRSIG', 'NSEC', 'NSEC3', 'NSEC3PARAM', 'DNSKEY'}


def types_of(reply):
    """The types of all records, by name."""
    numbers = {number: name for name, number in wire.TYPES.items()}
    return {numbers.get(r.rdtype, str(r.rdtype)) for r in reply.parsed.data_records()}


def signed(server):
    """The server, once its zone is signed throughout."""
    wait_until(lambda: types_of(ask(server, 'nosuch.cluster.local', do=True)) & {'NSEC', 'NSEC3'}, 30, 'a signed zone')
    return server


@functools.cache
def signers():
    zones = world.standard_b().zones()
    return {'BIND, NSEC': signed(peers.Bind(zones, ['127.0.0.1'], free_port(), sign=True)),
            'Knot, NSEC3': signed(peers.Knot(zones, [f'{loopback_net()}.10'], free_port(), sign='nsec3'))}


def renamed(dns, more=''):
    return isthmus(f'    cluster {ZONE} {{\n        dns {dns.address}:{dns.port}\n    }}{more}')


def test_the_peers_do_sign():
    for who, dns in signers().items():
        reply = ask(dns, 'nosuch.cluster.local', do=True, tcp=True)
        check({'RRSIG'} < types_of(reply) and types_of(reply) & {'NSEC', 'NSEC3'}, f'{who}: a negative answer', reply.text)


def test_signatures_are_stripped_where_names_change():
    for who, dns in signers().items():
        server = renamed(dns)
        for name in ('app.web.svc', 'db.web.svc', '_pg._tcp.db.web.svc', 'nosuch', 'alias.web.svc', 'web.svc', ''):
            for rdtype in ('A', 'SRV', 'MX', 'SOA', 'NS', 'ANY'):
                for tcp in (False, True):
                    reply = ask(server, f'{name}.{ZONE}'.lstrip('.'), rdtype, do=True, ad=True, tcp=tcp)
                    what = f'{who}: {name} {rdtype}'
                    check(not types_of(reply) & SIGNING - ({'DNSKEY', 'NSEC3PARAM'} if rdtype == 'ANY' else set()),
                          f'{what}: no signing records', types_of(reply))
                    check(not reply.ad, f'{what}: no AD')
                    check(reply.parsed.opt.ttl & 0x8000, f'{what}: DO is echoed')
        plain, secure = ask(server, f'app.web.svc.{ZONE}'), ask(server, f'app.web.svc.{ZONE}', do=True)
        equal((secure.answer, secure.authority), (plain.answer, plain.authority), f'{who}: the same answer with DO')


def test_questions_for_signing_types_are_nodata():
    for who, dns in signers().items():
        server = renamed(dns)
        for rdtype in ('RRSIG', 'NSEC', 'DNSKEY'):
            for name in (ZONE, f'app.web.svc.{ZONE}'):
                for do in (False, True):
                    reply = ask(server, name, rdtype, do=do)
                    equal((reply.rcode, reply.answer), ('NOERROR', []), f'{who}: {name} {rdtype} is NODATA')
                    check(reply.ede, f'{who}: {name} {rdtype} says that it was made here', reply.short())
                    owners = [text.split()[:2] for text in reply.authority]
                    equal(owners, [[f'{ZONE}.', 'SOA']], f'{who}: {name} {rdtype} has the SOA of the zone')


def test_ds_of_the_zone_is_answered_by_the_cluster():
    for who, dns in signers().items():
        server = renamed(dns, '\n    forward . 127.0.0.1:1')
        reply = ask(server, ZONE, 'DS', do=True)
        equal((reply.rcode, reply.answer), ('NOERROR', []), f'{who}: DS of {ZONE}')
        check(all(text.startswith(f'{ZONE}. SOA ') for text in reply.authority), f'{who}: with our SOA', reply.authority)


def test_do_is_not_sent_where_names_change():
    up = badup.Upstream(f'{loopback_net()}.11', free_port())
    server = renamed(up)
    for tcp in (False, True):
        ask(server, f'do-{tcp}.{ZONE}', do=True, cd=True, ad=True, tcp=tcp)
        seen = up.asked()[-1].parsed
        equal(seen.opt.ttl, 0, 'no DO towards the cluster')
        equal(seen.flags & wire.AD, 0, 'nor AD')


def test_pass_through_keeps_everything():
    for who, dns in signers().items():
        server = isthmus(f'    cluster cluster.local {{\n        dns {dns.address}:{dns.port}\n    }}')
        for name, rdtype in (('app.web.svc', 'A'), ('nosuch', 'A'), ('', 'DNSKEY'), ('', 'SOA'), ('app.web.svc', 'RRSIG'),
                             ('app.web.svc', 'MX')):
            owner = f'{name}.cluster.local'.lstrip('.')
            want, got = ask(dns, owner, rdtype, do=True, tcp=True), ask(server, owner, rdtype, do=True, tcp=True)
            equal(got.rcode, want.rcode, f'{who}: {owner} {rdtype}: rcode')
            for section in ('answer', 'authority'):
                equal(getattr(got, section), getattr(want, section), f'{who}: {owner} {rdtype}: {section}')
            if rdtype == 'A':
                check('RRSIG' in types_of(got), f'{who}: {owner}: with signatures', types_of(got))
        got = ask(server, 'app.web.svc.cluster.local')
        check('RRSIG' not in types_of(got), f'{who}: no signatures without DO', types_of(got))


if __name__ == '__main__':
    harness.main()
