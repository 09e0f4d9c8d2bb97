"""procrastinate at its best: jobs that do nothing, from a backlog to none left.

`procrastinate_peer.py <database> <jobs>` prints how many seconds that took.
"""

import asyncio
import logging
import sys
import time

import procrastinate


async def main(url: str, jobs: int) -> None:
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=url, max_size=16))
    done = 0

    @app.task(name="nothing")
    async def nothing() -> None:
        nonlocal done
        done += 1

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await nothing.batch_defer_async(*({} for _ in range(jobs)))
        begun = time.perf_counter()
        await app.run_worker_async(
            concurrency=16, wait=False, delete_jobs="never", install_signal_handlers=False
        )
        took = time.perf_counter() - begun
    if done != jobs:
        sys.exit(f"{done} of {jobs} jobs were done")
    print(took)


logging.disable(logging.WARNING)
asyncio.run(main(sys.argv[1], int(sys.argv[2])))
