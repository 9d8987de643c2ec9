#!/usr/bin/env python3
"""Corefiles that people really have, where ../shared/corefiles is beside the repository: what CoreDNS
refuses is refused with file and line, what it loads loads unless a plugin is not built, and then
that plugin is named; none crashes or hangs. Each runs alone in a network namespace.

With the argument `table` it prints, instead of testing, a table of both verdicts.
"""
import csv
import os
import re
import shutil
import signal
import subprocess
import sys

import harness
from harness import ISTHMUS, ROOT, Skip, check

CORPUS = os.path.join(os.path.dirname(ROOT), 'shared', 'corefiles')
STARTED = re.compile(r'^isthmus-', re.M)
# How CoreDNS's `env` files fail here: something outside the file is missing.
MISSING = re.compile(r'not supported|no such file|File to import not found|failed to resolve|No such file|'
                     r'invalid address|not an IP address|not a valid |Unknown directive|is no ', re.I)
IN_A_NAMESPACE = 'ip link set lo up; exec "$0" "$@"'


def truth():
    with open(f'{CORPUS}/TRUTH.tsv', encoding='utf-8') as file:
        return list(csv.DictReader(file, delimiter='\t'))


def start(name):
    """(verdict, what it said): 'loads', 'refused', or what went wrong."""
    folder = harness.folder(f'corpus-{name}')
    shutil.copy(f'{CORPUS}/{name}.Corefile', f'{folder}/Corefile')
    command = ['unshare', '-n', 'sh', '-c', IN_A_NAMESPACE, ISTHMUS, '-conf', 'Corefile']
    with open(f'{folder}/out', 'w+', encoding='utf-8', errors='replace') as out:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                   start_new_session=True)

        def said():
            with open(f'{folder}/out', encoding='utf-8', errors='replace') as text:
                return text.read()
        try:
            harness.wait_until(lambda: process.poll() is not None or STARTED.search(said()), 15, name)
        except Exception:  # pylint: disable=broad-except
            process.kill()
            return 'hangs', said()
        if process.poll() is None:
            process.send_signal(signal.SIGQUIT)  # SIGTERM would wait for a lame duck
            status = process.wait(10)
            return ('loads' if status == 0 else f'ends with {status}'), said()
        return ('refused' if process.returncode == 1 else f'ends with {process.returncode}'), said()


def is_right(row, verdict, said):
    placed = re.search(r'Corefile:\d+', said) is not None
    if row['class'] == 'refused':
        return verdict == 'refused' and placed
    if row['class'] == 'ok':
        return verdict == 'loads' or (verdict == 'refused' and placed and 'not supported' in said)
    return verdict == 'loads' or (verdict == 'refused' and MISSING.search(said) is not None)


def test_real_corefiles():
    if not os.path.isdir(CORPUS):
        raise Skip('no ../shared/corefiles beside the repository')
    if subprocess.run(['unshare', '-n', 'true'], check=False, capture_output=True).returncode != 0:
        raise Skip('no network namespace may be made here')
    for row in truth():
        verdict, said = start(row['name'])
        check(is_right(row, verdict, said), f'{row["name"]} ({row["class"]}, {row["why"]})', f'{verdict}: {said[:400]}')


def print_table():
    for row in truth():
        verdict, said = start(row['name'])
        errors = [line for line in said.splitlines() if 'Corefile' in line or 'plugin/' in line]
        print(f'{row["name"]}\t{row["class"]}\t{verdict}\t{"" if verdict == "loads" else "; ".join(errors)[:160]}')


if __name__ == '__main__':
    if sys.argv[1:] == ['table']:
        print_table()
    else:
        harness.main()
