"""TASKS CORES: runs /bin/true so often on a local HyperQueue cluster and prints the seconds it took."""

import os
import sys
import time

from hyperqueue import Job, LocalCluster
from hyperqueue.cluster import WorkerConfig

tasks, cores = int(sys.argv[1]), int(sys.argv[2])
with LocalCluster(server_dir=os.path.join(os.getcwd(), "server")) as cluster:
    cluster.start_worker(WorkerConfig(cores=cores))
    client = cluster.client()
    job = Job()
    for number in range(tasks):
        # No streams: they would cost it two files a task.
        job.program(["/bin/true", str(number)], stdout=None, stderr=None)
    start = time.monotonic()
    client.wait_for_jobs([client.submit(job)])
    print("seconds", time.monotonic() - start, flush=True)
