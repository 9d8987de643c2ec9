#!/usr/bin/env python3
# e2e: tsan
"""`hosts` and weights are read again while questions come: every question is answered, with what
one of the readings said, and what has changed is there soon after.
"""
import concurrent.futures
import os

import harness
from harness import ask, check, equal, isthmus, wait_until, write


def replace(path, text):
    """Puts a new file in the place of the old one, so that it is never seen half written."""
    os.rename(write(f'{path}.new', text), path)


def served(home, more=''):
    return isthmus(f'    multisocket 2\n    hosts {home}/hosts {{\n        reload 20ms\n    }}\n{more}')


def test_changed_file_is_served_soon():
    home = harness.folder('hosts')
    write(f'{home}/hosts', '10.0.0.1 a.test\n')
    server = served(home)
    equal(ask(server, 'a.test').data, ['10.0.0.1'], 'as it was at first')
    replace(f'{home}/hosts', '10.0.0.2 a.test b.test\n')
    wait_until(lambda: ask(server, 'a.test').data == ['10.0.0.2'], 5, 'the new address')
    equal(ask(server, 'b.test').data, ['10.0.0.2'], 'the new name')
    equal(ask(server, '2.0.0.10.in-addr.arpa', 'PTR').data, ['a.test.', 'b.test.'], 'and back')
    os.remove(f'{home}/hosts')
    replace(f'{home}/hosts', '10.0.0.3 a.test\n')
    wait_until(lambda: ask(server, 'a.test').data == ['10.0.0.3'], 5, 'a file that was away')
    server.stop()


def test_no_question_is_lost_while_files_change():
    home = harness.folder('hosts')
    write(f'{home}/hosts', '10.0.0.1 a.test\n')
    write(f'{home}/weights', 'a.test\n10.0.0.1 1\n')
    server = served(home, f'    loadbalance weighted {home}/weights {{\n        reload 20ms\n    }}')
    answers, seen = [], set()

    def client(number):
        return [ask(server, 'a.test') for _ in range(150)]

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(client, number) for number in range(4)]
        turn = 0
        while not all(future.done() for future in futures):
            turn += 1
            filler = ''.join(f'10.1.0.{i} n{i}.test\n' for i in range(turn % 50))
            replace(f'{home}/hosts', f'10.0.0.{turn % 200 + 1} a.test\n{filler}')
            replace(f'{home}/weights', f'a.test\n10.0.0.1 {turn % 255 + 1}\n')
        for future in futures:
            answers += future.result()
    for reply in answers:
        seen.update(reply.data)
    check(all(reply.rcode == 'NOERROR' and len(reply.data) == 1 for reply in answers), 'every question has one address',
          [reply.short() for reply in answers if len(reply.data) != 1][:3])
    check(all(address.startswith('10.0.0.') for address in seen), 'all were in some file', seen)
    check('reloaded weight file' in server.output(), 'weights were read')
    server.stop()


if __name__ == '__main__':
    harness.main()
