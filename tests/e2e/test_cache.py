#!/usr/bin/env python3
# e2e: tsan
"""The cache as clients see it: a cluster whose DNS goes away is answered for from what is known
(story 6, rows K3 and K4), and equal misses are one question (K8).
"""
import os
import socket

import badup
import harness
import wire
from harness import ask, check, equal, free_port, isthmus, loopback_net, wait_until, within

# A life of one second, so that nothing here waits for a TTL of thirty.
SHORT = '''    cache {
        success 10000 1 1
        denial 10000 1 1
    }
'''
STALE, SILENT = 3, 22
ATTEMPTS = 4  # of a question whose answer takes 300 ms


def codes(reply):
    return [code for code, _ in reply.ede]


def two_clusters(server_lines):
    """Scripted DNS of two clusters, and the program in front of them."""
    net, port = loopback_net(), free_port()
    a, b = badup.Upstream(f'{net}.10', port), badup.Upstream(f'{net}.11', port)
    server = isthmus(server_lines + f'''
    cluster cluster-a.local {{
        dns {net}.10:{port}
    }}
    cluster cluster-b.local {{
        dns {net}.11:{port}
    }}''')
    return a, b, server


def test_cluster_goes_away():
    a, b, server = two_clusters(SHORT)
    app, deleted, absent = (f'{word}.web.svc.cluster-b.local' for word in ('app', 'deleted', 'absent'))
    b.records[(wire.name('absent.web.svc.cluster.local'), 1)] = []
    for name in (app, deleted):
        equal(ask(server, name).data, ['192.0.2.7'], f'{name}, before')
    equal(ask(server, absent).short(), ask(server, absent).short(), 'a name without data, and again from the cache')
    equal(len(b.asked('absent.web.svc.cluster.local')), 1, 'is asked for once')
    b.habit = 'silent'
    wait_until(lambda: codes(ask(server, app)) == [STALE], 5, 'the stale answer')
    wait_until(lambda: ask(server, app).ms < 20, 10, 'b is known to be dead')

    reply = ask(server, app)
    equal((reply.data, codes(reply)), (['192.0.2.7'], [STALE]), 'what is known is still answered, and marked')
    within(reply.ms, 20, 'at once')
    equal([rrset.ttl for rrset in reply.message.answer], [30], 'with the TTL of stale answers')
    check('cluster-b' in reply.ede[0][1], 'and says which cluster', reply.ede)

    reply = ask(server, 'never-asked.web.svc.cluster-b.local')
    equal((reply.rcode, codes(reply)), ('SERVFAIL', [SILENT]), 'a name never asked for is an error with its reason')
    within(reply.ms, 20, 'at once')
    equal(ask(server, absent).rcode, 'SERVFAIL', 'absence is never stale')
    reply = ask(server, 'app.web.svc.cluster-a.local')
    equal((reply.data, reply.ede), (['192.0.2.7'], []), 'the other cluster is unaffected')

    b.records[(wire.name('deleted.web.svc.cluster.local'), 1)] = []
    b.habit = 'good'
    wait_until(lambda: (r := ask(server, app)).data == ['192.0.2.7'] and not r.ede, 6, 'fresh answers, no extended error')
    wait_until(lambda: not ask(server, deleted).data, 3, 'a name deleted meanwhile is gone')
    server.stop()
    a.close()
    b.close()


def workers_of(server):
    tasks = f'/proc/{server.popen.pid}/task'
    names = [open(f'{tasks}/{task}/comm', encoding='ascii').read() for task in os.listdir(tasks)]
    return sum(name.startswith('worker-') for name in names)


def test_equal_misses_are_one_question_a_worker():
    a, b, server = two_clusters('    cache\n')
    question = harness.make_query('slow-300.web.svc.cluster-a.local')
    clients = [socket.socket(type=socket.SOCK_DGRAM) for _ in range(20)]
    for client in clients:
        client.settimeout(5)
        client.connect(('127.0.0.1', server.port))
    for i in range(1000):
        clients[i % len(clients)].send(question)
    answers = [client.recv(4096) for client in clients for _ in range(1000 // len(clients))]
    equal(len(answers), 1000, 'all are answered')
    asked = len(a.asked('slow-300.web.svc.cluster.local'))
    check(1 <= asked <= ATTEMPTS * workers_of(server), 'one question a worker, and what it is asked anew',
          f'{asked} were asked')
    ask(server, 'slow-300.web.svc.cluster-a.local')
    equal(len(a.asked('slow-300.web.svc.cluster.local')), asked, 'whichever worker is asked then has the answer')
    server.stop()
    a.close()
    b.close()


if __name__ == '__main__':
    harness.main()
