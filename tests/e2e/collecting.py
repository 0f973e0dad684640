"""Work beside a collector that takes everything unused from the store, again and again."""

import concurrent.futures
import json


def work_beside_collections(case, work, removed_min):
    """Two of `work(number)` at once; at least so many snapshots went meanwhile, and the store is whole afterwards."""
    over = []

    def collect():
        count = 0
        while True:
            last = bool(over)
            count += len(json.loads(case.ok("snapshot", "gc", "--max-bytes", "0", "--json"))["removed"])
            if last:
                return count

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        collector = pool.submit(collect)
        try:
            for one in [pool.submit(work, number) for number in range(2)]:
                one.result()
        finally:
            over.append(True)
        case.assertGreaterEqual(collector.result(), removed_min)
    case.assertFalse(any(one["damaged"] for one in json.loads(case.ok("snapshot", "fsck", "--content", "--json"))))
