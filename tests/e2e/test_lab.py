#!/usr/bin/env python3
"""The lab of examples/lab: its story from the first step to the last, and that nothing of it is left
behind when it is interrupted or killed.
"""
import glob
import os
import re
import signal
import sys

from harness import ISTHMUS, ROOT, Process, check, equal, run, skip, wait_until

os.environ['ISTHMUS'] = ISTHMUS
LAB = [sys.executable, f'{ROOT}/examples/lab/lab.py']


def test_story():
    equal(run([f'{ROOT}/tests/tools/peers.sh', 'lab'], 300)[0], 0, 'what the lab is made of is there')
    status, out, err = run(LAB, 120)
    if status == 77:
        skip(out.strip())
    steps = re.findall(r'^(ok    |NOT OK) (.*)$', out, re.M)
    for verdict, text in steps:
        check(verdict == 'ok    ', text)
    check(len(steps) > 40, 'the story has all its steps', out[-1000:] + err[-2000:])
    equal(status, 0, 'its exit status')


def processes_beside(pid):
    """All in the namespace of process IDs that the children of this process are in."""
    def space(path):
        try:
            return os.readlink(path)
        except OSError:
            return None
    wanted = space(f'/proc/{pid}/ns/pid_for_children')
    return [] if wanted is None else [path for path in glob.glob('/proc/[0-9]*') if space(f'{path}/ns/pid') == wanted]


def ended(number):
    """The lab is built, gets a signal, and nothing of it runs any more. Returns how it ended."""
    lab = Process(LAB, 'lab')
    wait_until(lambda: not lab.alive or 'Built in' in lab.output(), 60, 'the lab is built')
    if lab.popen.poll() == 77:
        skip(lab.output().strip())
    if not lab.alive:
        raise AssertionError(f'the lab ended: {lab.output()} {lab.errors()}')
    processes = processes_beside(lab.popen.pid)
    check(len(processes) > 40, 'its places and programs run', len(processes))
    if number == signal.SIGKILL:
        lab.popen.kill()  # the first process only, as an impatient supervisor does
    else:
        lab.signal(number)
    status = lab.wait(20)
    wait_until(lambda: not any(os.path.exists(path) for path in processes), 10, 'nothing of the lab runs any more')
    return status, lab.output()


def test_interrupted():
    for number in (signal.SIGINT, signal.SIGTERM):
        status, out = ended(number)
        equal(status, 130, f'exit status after {number.name}')
        check('everything is taken down' in out, 'it says so', out[-300:])


def test_killed():
    equal(ended(signal.SIGKILL)[0], -signal.SIGKILL, 'it was killed')


if __name__ == '__main__':
    from harness import main
    main()
