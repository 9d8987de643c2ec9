"""The API of Kubernetes that tests talk to: kmock's, which keeps objects and tells watchers of them.

    python kmock_server.py PORT         prints `ready`

Run by the interpreter that has kmock (kubeapi.py)."""
import asyncio
import sys

import aiohttp.web
import kmock


class Api(kmock.KubernetesEmulator):
    """What is not there is a Status of Kubernetes, and no failure of the server."""

    async def _handle(self, request):
        try:
            return await super()._handle(request)
        except kmock.KubernetesError as error:
            code = next((word for word in error.args if isinstance(word, int)), 404)
            return aiohttp.web.json_response({'kind': 'Status', 'status': 'Failure', 'code': code}, status=code)


async def main():
    async with kmock.Server(Api(), port=int(sys.argv[1])):
        print('ready', flush=True)
        await asyncio.Event().wait()


asyncio.run(main())
