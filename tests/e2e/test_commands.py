#!/usr/bin/env python3
"""The commands besides the server: help, wrong words, completions, the manual page."""
import json
import os
import re
import subprocess

import harness
from harness import ISTHMUS, check, equal, run


def commands():
    _, out, _ = run([ISTHMUS, 'help'])
    return re.findall(r'^  isthmus (\S+)  ', out, re.M)


# ---- help ----

def test_help_lists_every_command_and_each_tells_of_itself():
    names = commands()
    check({'completion', 'demo', 'help', 'plugins'} <= set(names), 'help lists the commands', names)
    for name in names:
        status, out, err = run([ISTHMUS, name, '--help'])
        equal((status, err), (0, ''), f'{name} --help')
        check(f'isthmus {name}: ' in out and 'Exit status:' in out and '--help' in out, f'{name} --help is whole', out)
        equal(run([ISTHMUS, 'help', name]), (0, out, ''), f'help {name} is the same')


def test_wrong_words_are_told_with_what_may_be_meant():
    status, out, err = run([ISTHMUS, 'plugin'])
    equal((status, out), (2, ''), 'a wrong command')
    check(err.startswith("isthmus: there is no command 'plugin', did you mean 'plugins'?\n"), 'is told', err)
    status, out, err = run([ISTHMUS, 'plugins', 'kubernetes'])
    equal((status, out), (2, ''), 'a plugin that only CoreDNS has')
    check("'kubernetes' is not supported: kubernetes needs the API" in err, 'is told apart from a misspelt one', err)
    status, out, err = run([ISTHMUS, 'demo', '--stya'])
    equal((status, out), (2, ''), 'a wrong option')
    check("did you mean '--stay'?" in err and 'usage: isthmus demo [--stay]' in err, 'is told with the usage', err)


def test_a_command_with_dashes_is_told():
    status, _, err = run([ISTHMUS, '--check'])
    check(status == 2 and 'check is a command, written without dashes: isthmus check\n' in err, '--check', err)


def test_plugins_as_json():
    found = {p['name']: p for p in json.loads(run([ISTHMUS, 'plugins', '--json'])[1])}
    check({'cluster', 'forward', 'cache'} <= set(found), 'all of them', list(found))
    check('pod_names' in [o['name'] for o in found['cluster']['options']], 'with options', found['cluster'])
    equal(json.loads(run([ISTHMUS, 'plugins', 'cache', '--json'])[1]), [found['cache']], 'or one')


# ---- completions ----

def completed(shell_words):
    script = f'''source <({ISTHMUS} completion bash)
COMP_WORDS=({' '.join(f"'{w}'" for w in shell_words)})
COMP_CWORD={len(shell_words) - 1}
_isthmus
printf '%s\\n' "${{COMPREPLY[@]}}"'''
    done = subprocess.run(['bash', '-uc', script], capture_output=True, text=True, check=False)
    equal(done.stderr, '', f'bash completes {shell_words} silently')
    return done.stdout.split()


def test_bash_completes_commands_options_and_files():
    flags = re.findall(r'^  (-\S+)', run([ISTHMUS, 'help'])[1], re.M)
    check('-conf' in flags, 'help lists the flags', flags)
    equal(set(completed(['isthmus', ''])), set(commands()) | set(flags), 'the first word')
    equal(completed(['isthmus', 'pl']), ['plugins'], 'the beginning of a command')
    equal(completed(['isthmus', 'plugins', 'forw']), ['forward'], 'the word of a command')
    equal(completed(['isthmus', 'demo', '--']), ['--help', '--stay'], 'the options of a command')
    equal(completed(['isthmus', 'check', '--off']), ['--offline'], 'an option before a file')
    path = os.path.join(harness.folder('completed'), 'Corefile.new')
    harness.write(path, '')
    equal(completed(['isthmus', '-conf', path[:-4]]), [path], 'the value of an option')
    equal(completed(['isthmus', 'check', path[:-4]]), [path], 'a file as a word')


def test_zsh_reads_its_completions():
    harness.need('zsh')
    status, out, _ = run([ISTHMUS, 'completion', 'zsh'])
    equal(status, 0, 'completion zsh')
    folder = harness.folder('zsh')
    harness.write(os.path.join(folder, '_isthmus'), out)
    # What zsh would offer is told by functions in the place of those that ask the terminal.
    script = f'''fpath=({folder} $fpath)
autoload -Uz compinit && compinit -u -d {folder}/dump
_arguments() {{ print -r -- "A $*" }}
_describe() {{ print -r -- "D ${{(P)4}}" }}
autoload -Uz _isthmus
words=(isthmus '') CURRENT=2; _isthmus
words=(isthmus demo '') CURRENT=3; _isthmus
words=(isthmus -conf '') CURRENT=3; _isthmus'''
    done = subprocess.run(['zsh', '-fc', script], capture_output=True, text=True, check=False)
    equal(done.stderr, '', 'zsh has nothing to say against it')
    lines = done.stdout.split('\n')
    check(all(f'{name}:' in lines[0] for name in commands()), 'the first word is a command', lines[0])
    check('--stay[' in lines[1], 'the options of a command', lines[1])
    check('-conf[' in lines[2] and ':FILE:_files' in lines[2], 'the flags', lines[2])


# ---- the manual ----

def test_the_manual_holds_every_command():
    status, out, err = run([ISTHMUS, 'help', '--man'])
    equal((status, err), (0, ''), 'help --man')
    for name in commands():
        check('.SS \\fB' + name.replace('-', '\\-') + '\\fR' in out, f'{name} has its section', out[:200])
    ends = [re.findall(r'^\.TP\n\\fB(\d)\\fR\n', part.split('.RE\n')[0], re.M) for part in out.split('Exit status:\n.RS\n')[1:]]
    equal(len(ends), len(commands()), 'each tells how it ends')
    check(all(one == sorted(set(one)) and one[-1] == '2' for one in ends), 'each status once', ends)


if __name__ == '__main__':
    harness.main()
