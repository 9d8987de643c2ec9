"""Certificates for tests, made by openssl in a folder of their own."""
import functools
import os

from harness import check, folder, need, run, write


class Identity:
    """A certificate and its key, as files. `issuer` None: it signs itself."""

    def __init__(self, name, issuer=None, names='', usage='', days=2):
        openssl = need('openssl')
        home = folder(f'pki-{name}')
        self.cert, self.key = (os.path.join(home, file) for file in ('cert.pem', 'key.pem'))
        extensions = [f'subjectAltName={names}'] if names else []
        extensions += [f'extendedKeyUsage={usage}'] if usage else []
        if issuer is None:
            extensions.append('keyUsage=keyCertSign')
        request = [openssl, 'req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-subj', f'/CN={name}',
                   '-keyout', self.key]
        if issuer is None:
            self._run(*request, '-x509', '-days', str(days), '-out', self.cert, *(w for e in extensions for w in ('-addext', e)))
            return
        asked, wanted = os.path.join(home, 'request.pem'), write(os.path.join(home, 'extensions'), '\n'.join(extensions))
        self._run(*request, '-out', asked)
        self._run(openssl, 'x509', '-req', '-in', asked, '-CA', issuer.cert, '-CAkey', issuer.key, '-CAcreateserial',
                  '-days', str(days), '-extfile', wanted, '-out', self.cert)

    @staticmethod
    def _run(*argv):
        status, _, said = run(argv)
        if status != 0:
            check(False, ' '.join(argv[:2]), said)

    def pem(self):
        with open(self.cert, encoding='ascii') as cert, open(self.key, encoding='ascii') as key:
            return cert.read(), key.read()


@functools.cache
def authority():
    return Identity('ca')


@functools.cache
def host():
    return Identity('dns.test', authority(), names='DNS:dns.test,IP:127.0.0.1', usage='serverAuth')
