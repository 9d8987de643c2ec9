"""CoreDNS, where COREDNS names a binary of it: for answers side by side."""
import os

import harness
from harness import Skip, folder, free_port, wait_until


def needed():
    if not os.environ.get('COREDNS'):
        raise Skip('COREDNS names no CoreDNS binary')


class CoreDNS(harness.Process):
    """In `text` @PORT@ is the port it gets."""

    def __init__(self, text):
        needed()
        self.address, self.port = '127.0.0.1', free_port()
        path = harness.write(os.path.join(folder('coredns'), 'Corefile'), text.replace('@PORT@', str(self.port)))
        super().__init__([os.environ['COREDNS'], '-conf', path], 'coredns')
        wait_until(lambda: harness.is_served(self.port), 20, 'CoreDNS listens')
